"""What code does to files and to the network is seen, and nothing else is."""

from __future__ import annotations

import os
import socket

import pytest

from histokit.testing.watch import watched


@pytest.mark.parametrize(
    "deed",
    [
        lambda path: path.write_text("x"),
        lambda path: path.open("a").close(),
        lambda path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("nowhere"),
    ],
)
def test_writing_is_seen_but_where_it_is_allowed(tmp_path, deed):
    (tmp_path / "mine").mkdir()
    with watched(tmp_path / "mine") as deeds:
        deed(tmp_path / "mine" / "file")
    assert deeds.writes == []
    with watched(tmp_path / "mine") as deeds:
        deed(tmp_path / "file")
    assert deeds.writes == [str(tmp_path / "file")]


def test_a_folder_of_a_similar_name_is_not_the_allowed_one(tmp_path):
    (tmp_path / "mine").mkdir()
    with watched(tmp_path / "mine") as deeds:
        (tmp_path / "mine-too").write_text("x")
    assert deeds.writes == [str(tmp_path / "mine-too")]


def test_taking_files_away_is_seen(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("x")
    with watched() as deeds:
        (tmp_path / "a").unlink()
        (tmp_path / "b").rename(tmp_path / "c")
    assert deeds.writes == [str(tmp_path / "a"), str(tmp_path / "c")]


def test_calls_are_seen():
    with watched() as deeds:
        socket.gethostbyname("localhost")
        with socket.socket() as one:
            one.settimeout(0.1)
            one.connect_ex(("127.0.0.1", 9))
    assert any("localhost" in call for call in deeds.calls)
    assert any("127.0.0.1" in call for call in deeds.calls)


def test_reading_is_no_deed_nor_is_what_comes_after(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with watched() as deeds:
        file.read_text()
        with open(os.devnull, "w") as sink:
            sink.write("x")
    file.write_text("y")
    assert (deeds.writes, deeds.calls) == ([], [])
