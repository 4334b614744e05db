"""Run folders and the files in them."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import contextmanager

import pytest

from histokit.errors import DataError, RunBusy
from histokit.io.files import atomic, write_text
from histokit.io.runs import RunFolder, list_runs

MAX_PID = 2**22
"""Beyond the ids that a system gives to processes."""


def _run(tmp_path, method="mani"):
    run = RunFolder.create(tmp_path / "runs", method, "0123456789abcdef")
    run.write_settings({"method": method})
    return run


def test_create_twice_in_a_second_gives_two_folders(tmp_path):
    first, second = _run(tmp_path), _run(tmp_path)
    assert first.path != second.path
    assert {r.path for r in list_runs(tmp_path / "runs")} == {first.path, second.path}
    assert RunFolder.open(first.path).settings()["method"] == "mani"


def test_open_refuses_what_is_no_run(tmp_path):
    with pytest.raises(DataError, match=r"run\.yaml"):
        RunFolder.open(tmp_path)
    (tmp_path / "run.yaml").write_text("format: 99\n")
    with pytest.raises(DataError, match="99"):
        RunFolder.open(tmp_path).settings()


def _hold(path, ready, done):
    with RunFolder(path).lock():
        ready.set()
        done.wait(10)


@contextmanager
def _held(run):
    """Another process has the lock meanwhile; gives its id."""
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(run.path, ready, done))
    other.start()
    try:
        assert ready.wait(30)
        yield other.pid
    finally:
        done.set()
        other.join()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path):
    run = _run(tmp_path)
    with _held(run) as other, pytest.raises(RunBusy, match=str(other)), run.lock():
        pass
    with run.lock():
        pass


ELSEWHERE = "process 1 on node-7 since 2026-01-01T00:00:00+00:00"
"""What another machine wrote; its process 1 is not ours."""


def test_a_holder_on_another_machine_is_named_and_not_asked_for_its_process(tmp_path):
    """The lock alone says whether it is held: here by a process in the other's place."""
    run = _run(tmp_path)
    with _held(run):
        for pid in ("process 1 ", f"process {MAX_PID} "):  # of this machine: alive, and nobody's
            text = ELSEWHERE.replace("process 1 ", pid)
            (run.path / ".holder").write_text(text)
            with pytest.raises(RunBusy) as caught, run.lock():
                pass
            assert caught.value.found == text


def test_what_a_dead_machine_left_holds_nobody_up(tmp_path):
    run = _run(tmp_path)
    (run.path / ".holder").write_text(ELSEWHERE)
    with run.lock():
        ours = (run.path / ".holder").read_text()
        assert ours.startswith(f"process {os.getpid()} on ")
    assert not (run.path / ".holder").exists()


def test_the_lock_sweeps_left_overs(tmp_path):
    run = _run(tmp_path)
    left, folder = run.path / ".last.ckpt.1.part", run.path / "report" / ".labels.1.part"
    left.touch()
    (folder / ".half.1.part").mkdir(parents=True)
    with run.lock():
        assert not left.exists()
        assert not folder.exists()


def test_metrics_survive_a_cut_line_and_forget_the_future(tmp_path):
    run = _run(tmp_path)
    for step in (10, 20, 30):
        run.add_metrics(step, "adapt", {"seg": step / 7, "mi": 1e-9})
    with (run.path / "metrics.csv").open("a") as handle:
        handle.write("40,adapt,se")
    run.forget_metrics_after(20)
    assert run.metrics() == [
        (10, "adapt", "seg", 10 / 7), (10, "adapt", "mi", 1e-9),
        (20, "adapt", "seg", 20 / 7), (20, "adapt", "mi", 1e-9),
    ]  # fmt: skip


def test_atomic_keeps_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail():
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_unwritable_place_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")
