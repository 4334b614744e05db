"""`histokit check` tells a line a check and ends with the code of its verdict."""

from __future__ import annotations

import json
import sys

import pytest

from fixtures.fakes import THIRD_PARTY, install
from typed import type_

CARDS = """
from dataclasses import replace
from testing.broken_cards import ADAPTED, BROKEN_METHODS, DOTS, PIN, TINT
SOUND = replace(ADAPTED, name="sound")
CENTRING = replace(BROKEN_METHODS["tiled"], name="centring")
TWIN, TWIN_DOTS = replace(TINT, name="twin"), replace(DOTS, name="twin")
"""
POINTS = """[histokit.methods]
sound = gallery_cards:SOUND
centring = gallery_cards:CENTRING
twin = gallery_cards:TWIN
[histokit.datasets]
dots = gallery_cards:DOTS
twin = gallery_cards:TWIN_DOTS
[histokit.networks]
pin = gallery_cards:PIN
"""
SMALL = ("--set", "tile=32")


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    """Plugins that are sound but for one, and a copy of the data set."""
    (tmp_path / "gallery_cards.py").write_text(CARDS)
    install(tmp_path, "gallery-kit", POINTS)
    (tmp_path / "dots.txt").write_text("one two")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("gallery_cards", None)


@pytest.mark.usefixtures("gallery")
def test_a_sound_method():
    done = type_("check", "sound", *SMALL)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "method sound"
    assert all(line.startswith("  ok ") for line in lines[1:])
    assert any(line.startswith("  ok        resume: Training that is stopped") for line in lines)
    count = len(lines) - 1
    assert done.stderr == f"{count} checks, none failed: {count} ok\n"


@pytest.mark.usefixtures("gallery")
def test_a_broken_method_ends_with_7_unless_it_is_declared():
    done = type_("check", "centring", *SMALL)
    assert done.exit_code == 7
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  failed")]
    assert line.startswith("  failed    tiled: segmenter: an image in windows")
    assert "checks failed: centring tiled" in done.stderr

    excused = type_("check", "centring", *SMALL, "--expect", "tiled=by design", "--json")
    assert excused.exit_code == 0, excused.output
    rows = {row["name"]: row for row in json.loads(excused.stdout)}
    assert rows["tiled"]["status"] == "expected"
    assert rows["tiled"]["reason"].startswith("by design: ")
    assert (rows["card"]["kind"], rows["card"]["of"]) == ("method", "centring")


def test_data_sets_and_networks(gallery):
    done = type_("check", f"dots:{gallery}")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("dataset dots\n  ok        card: ")
    done = type_("check", "gallery-kit:pin")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("network pin\n")


def test_a_data_set_with_the_name_of_a_method_is_checked_where_its_folder_is_told(gallery):
    alone = type_("check", "twin")
    assert alone.exit_code == 0, alone.output
    assert alone.stdout.startswith("method twin\n")
    assert "dataset" not in alone.stdout
    assert "left out; to check it: histokit check twin:FOLDER" in alone.stderr
    both = type_("check", "twin", "--data-root", str(gallery)).stdout
    assert ("method twin\n" in both, "dataset twin\n" in both) == (True, True)


@pytest.mark.usefixtures("gallery")
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("soud",), 2, "did you mean sound"),
        (("dots",), 3, "data set 'dots' is not here"),
        (("sound", "--set", "tile"), 3, "expected KEY=VALUE"),
        (("sound", "--expect", "tiled"), 2, "gives no reason"),
        (("sound", "--expect", "tield=x"), 2, "did you mean tiled"),
        (("sound", "--set", "tiel=3"), 3, "no such setting; did you mean tile?"),
    ],
)
def test_what_cannot_be_checked(words, code, told, monkeypatch):
    monkeypatch.delenv("HISTOKIT_DATA", raising=False)
    done = type_("check", *words)
    assert done.exit_code == code
    assert told in done.output


@pytest.mark.usefixtures("gallery")
def test_a_disabled_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOKIT_CONFIG", str(tmp_path / "config"))
    assert type_("plugins", "disable", "pin").exit_code == 0
    done = type_("check", "pin")
    assert done.exit_code == 4
    assert "histokit plugins enable gallery-kit:pin" in done.stderr


def test_a_method_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path[:1], str(THIRD_PARTY)])
    done = type_("check", "ostrich")
    assert done.exit_code == 4
    assert "pip install histokit-ostrich" in done.stderr
