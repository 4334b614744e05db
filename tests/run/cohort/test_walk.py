"""Item after item: what is finished stays, what failed is tried again, none is done twice."""

from __future__ import annotations

import csv
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path, PurePath

import pytest

from histokit.errors import DataError, DeviceError, RunBusy
from histokit.io.files import DiskError, read_json, write_text
from histokit.run.cohort.claims import STATES, claimed
from histokit.run.cohort.item import Item
from histokit.run.cohort.shards import Shard
from histokit.run.cohort.state import path_of, read_state, write_state
from histokit.run.cohort.tables import left_lines, tell_failures, write_tables
from histokit.run.cohort.walk import Cohort, Done, keys_of_others, known, walk
from histokit.run.events import ItemDone, ItemFailed, Noted
from schemas import require_valid

COLUMNS = ("image", "letters", "seconds")
GONE = 4_000_000_000
"""Number of a process that there cannot be."""
NAMES = ["a", "b", "c", "deep/d", "e"]


def found(folder, names=NAMES):
    """Items of text files."""
    for name in names:
        path = folder / "in" / f"{PurePath(name).name}.txt"
        if not path.exists():
            write_text(path, name)
    return [Item(folder / "in" / f"{PurePath(n).name}.txt", PurePath(n)) for n in names]


def shout(out, bad=(), then=None):
    """Work on a text: writes it large; fails on some, and does something before others."""

    def work(item):
        yield Noted(f"at {item.key}")
        if then and item.key in then:
            then[item.key]()
        if item.key in bad:
            raise DataError(f"{item.path} is bad")
        text = item.path.read_text().upper()
        write_text(out / "large" / f"{item.key}.txt", text)
        return Done(
            {"image": str(item.path), "letters": len(text)}, {"letters": 1.0}, {"said": text}
        )

    return work


def drained(walking):
    """The events of a generator, and what it gives."""
    events = []
    try:
        while True:
            events.append(next(walking))
    except StopIteration as end:
        return events, end.value


def run(folder, *, bad=(), then=None, shard=None, settings=None, names=NAMES, **how):
    """The whole of a command: its events and the tally."""
    out, shard = folder / "out", shard or Shard()
    cohort = Cohort(out, found(folder, names), settings or {}, shard, **how)
    with claimed(out, shard) as claim:
        events, tally = drained(walk(cohort, shout(out, bad, then)))
        keys = keys_of_others(cohort, tally.states)
        with claim.alone():
            states = known(cohort, tally.states, keys)
            write_tables(out, COLUMNS, cohort.items, states)
    events += map(Noted, left_lines(cohort.items, states))
    return events, tally


def worked_on(events):
    return [event.text[3:] for event in events if isinstance(event, Noted) and "at " in event.text]


def lines(events):
    return [event.text for event in events if isinstance(event, Noted) and "at " not in event.text]


def tree(out):
    """What is in an output folder, but for times."""
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    shown = {name: data for name, data in files.items() if not name.startswith(STATES)}
    rows = list(csv.reader(shown.pop("summary.csv").decode().splitlines()))
    return shown, [row[:2] for row in rows]


def test_without_resume_everything_is_done_anew(tmp_path):
    events, tally = run(tmp_path)
    assert worked_on(events) == NAMES
    assert [e.number for e in events if isinstance(e, ItemDone)] == [1, 2, 3, 4, 5]
    assert worked_on(run(tmp_path)[0]) == NAMES
    assert (len(tally.done), tally.failed, tally.skipped) == (5, 0, 0)
    assert (tmp_path / "out/large/deep/d.txt").read_text() == "DEEP/D"


def test_a_state_says_what_was_written_and_has_a_schema(tmp_path):
    run(tmp_path)
    state = read_state(tmp_path / "out", "deep/d")
    assert (state.status, state.attempts, state.pid) == ("done", 1, os.getpid())
    (output,) = state.outputs
    assert (output.path, output.bytes) == ("large/deep/d.txt", 6)
    assert state.row["letters"] == 6
    assert state.more == {"said": "DEEP/D"}
    require_valid("item-state", read_json(path_of(tmp_path / "out", "deep/d")))


def test_resume_leaves_what_is_finished(tmp_path):
    run(tmp_path)
    before = tree(tmp_path / "out")
    events, tally = run(tmp_path, resume=True)
    assert worked_on(events) == []
    assert lines(events) == ["5 of 5 items are done already and stay as they are"]
    assert (len(tally.done), tally.skipped) == (5, 5)
    assert tree(tmp_path / "out") == before


def damage(path):
    path.write_text("X")


@pytest.mark.parametrize("harm", [Path.unlink, damage], ids=["gone", "changed"])
def test_resume_does_again_what_no_longer_validates(tmp_path, harm):
    run(tmp_path)
    before = tree(tmp_path / "out")
    harm(tmp_path / "out/large/b.txt")
    events, _ = run(tmp_path, resume=True)
    assert worked_on(events) == ["b"]
    assert "large/b.txt is gone or changed" in lines(events)[0]
    assert tree(tmp_path / "out") == before


def test_resume_does_again_what_has_other_inputs_or_settings(tmp_path):
    run(tmp_path, settings={"gain": 1})
    write_text(tmp_path / "in/c.txt", "new")
    assert worked_on(run(tmp_path, settings={"gain": 1}, resume=True)[0]) == ["c"]
    assert (tmp_path / "out/large/c.txt").read_text() == "NEW"
    assert worked_on(run(tmp_path, settings={"gain": 2}, resume=True)[0]) == NAMES
    path_of(tmp_path / "out", "a").write_text("{}")
    events, _ = run(tmp_path, settings={"gain": 2}, resume=True)
    assert worked_on(events) == ["a"]
    assert "cannot read" in lines(events)[0]


def test_what_failed_is_tried_again_and_counted(tmp_path):
    events, tally = run(tmp_path, bad=("b", "e"))
    assert worked_on(events) == NAMES
    assert tally.failed == 2
    assert [row[1] for row in tree(tmp_path / "out")[1]] == ["letters", "1", "1", "6"]
    failures = read_json(tmp_path / "out/failures.json")
    require_valid("failures", failures)
    assert [(row["image"], row["attempts"]) for row in failures] == [
        (str(tmp_path / "in/b.txt"), 1), (str(tmp_path / "in/e.txt"), 1),
    ]  # fmt: skip
    events, tally = run(tmp_path, bad=("b",), resume=True)
    assert worked_on(events) == ["b", "e"]
    (failed,) = (event for event in events if isinstance(event, ItemFailed))
    assert (failed.key, failed.number, failed.total, failed.attempts) == ("b", 2, 5, 2)
    (failure,) = read_json(tmp_path / "out/failures.json")
    assert failure["attempts"] == 2
    events, tally = run(tmp_path, resume=True)
    assert worked_on(events) == ["b"]
    assert read_state(tmp_path / "out", "b").attempts == 3
    assert not (tmp_path / "out/failures.json").exists()
    run(tmp_path)
    assert read_state(tmp_path / "out", "b").attempts == 1


def test_what_ends_the_work_is_known_to_have_failed(tmp_path):
    with pytest.raises(DataError):
        run(tmp_path, bad=("b",), strict=True)
    assert read_state(tmp_path / "out", "b").status == "failed"
    assert read_state(tmp_path / "out", "c") is None

    def too_much():
        raise DeviceError("out of memory")

    with pytest.raises(DeviceError):
        run(tmp_path, then={"c": too_much})
    assert read_state(tmp_path / "out", "c").reason == "out of memory"

    def full():
        raise DiskError("the disk is full")

    with pytest.raises(DiskError):
        run(tmp_path, then={"d": full, "e": full})
    assert worked_on(run(tmp_path, resume=True)[0]) == ["e"]


def test_shards_make_what_one_process_makes(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run(tmp_path / "one", bad=("b",))
    first, _ = run(tmp_path / "two", bad=("b",), shard=Shard(2, 2))
    assert worked_on(first) == ["b", "deep/d"]
    assert lines(first) == ["shard 2/2: 2 of 5 items", "3 of 5 images are left to other shards"]
    second, tally = run(tmp_path / "two", bad=("b",), shard=Shard(1, 2))
    assert worked_on(second) == ["a", "c", "e"]
    assert lines(second) == ["shard 1/2: 3 of 5 items"]
    assert tally.failed == 0
    one, two = (tree(tmp_path / name / "out") for name in ("one", "two"))
    assert [b"/one/" in one[0].pop("failures.json"), b"/two/" in two[0].pop("failures.json")]
    assert one[0] == two[0]
    assert [row[0].rpartition("/")[2] for row in one[1]] == [
        row[0].rpartition("/")[2] for row in two[1]
    ]


def test_a_shard_leaves_rows_of_other_settings_out(tmp_path):
    run(tmp_path, settings={"gain": 1})
    events, _ = run(tmp_path, settings={"gain": 2}, shard=Shard(1, 2))
    assert "2 of 5 images are left to other shards" in lines(events)
    rows = tree(tmp_path / "out")[1]
    assert [row[0].rpartition("/")[2] for row in rows] == ["image", "a.txt", "c.txt", "e.txt"]


def test_more_shards_than_items(tmp_path):
    events, tally = run(tmp_path, names=["a"], shard=Shard(2, 3))
    assert (worked_on(events), len(tally.states)) == ([], 0)
    tell_failures(0, 0, tmp_path)


def test_what_a_killed_process_began_is_done_anew(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    run(tmp_path / "one")
    out = tmp_path / "two/out"

    def end():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "two", then={"c": end})
    begun = read_state(out, "c")
    assert begun.status == "running"
    write_state(out, begun.model_copy(update={"pid": GONE}))
    (out / "large" / f".c.txt.{GONE}.part").write_text("half")
    (out / "large" / f".c.ome.zarr.{GONE}.part").mkdir()
    (out / "large" / f".e.txt.{GONE}.part").write_text("another's")
    events, tally = run(tmp_path / "two", resume=True)
    assert worked_on(events) == ["c", "deep/d", "e"]
    assert tally.skipped == 2
    assert [path.name for path in out.rglob("*.part")] == [f".e.txt.{GONE}.part"]
    assert read_state(out, "c").attempts == 2
    (out / "large" / f".e.txt.{GONE}.part").unlink()
    assert tree(out)[0] == tree(tmp_path / "one/out")[0]


@pytest.fixture
def broken(monkeypatch):
    """Names of files whose bytes the disk does not give."""
    names, opened = set(), Path.open

    def open_(path, mode="r", *more, **how):
        if path.name in names and mode == "rb":
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, mode, *more, **how)

    monkeypatch.setattr(Path, "open", open_)
    return names


def test_an_item_that_the_disk_does_not_give_fails_alone(tmp_path, broken):
    run(tmp_path)
    broken.add("c.txt")
    for attempts, resume, others in (
        (1, True, []),
        (2, True, []),
        (1, False, ["a", "b", *NAMES[3:]]),
    ):
        events, tally = run(tmp_path, resume=resume)
        assert worked_on(events) == others
        assert (len(tally.done), tally.failed) == (4, 1)
        (failure,) = read_json(tmp_path / "out/failures.json")
        assert failure["image"] == str(tmp_path / "in/c.txt")
        assert "Input/output error" in failure["reason"]
        assert failure["attempts"] == attempts


def test_a_shard_tells_what_the_disk_did_not_give_to_another(tmp_path, broken):
    broken.add("b.txt")
    run(tmp_path, shard=Shard(2, 2))
    events, _ = run(tmp_path, shard=Shard(1, 2))
    assert not [line for line in lines(events) if "left to" in line]
    (failure,) = read_json(tmp_path / "out/failures.json")
    assert failure["image"] == str(tmp_path / "in/b.txt")


def test_a_disk_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    answer, looked = threading.Event(), Path.is_dir

    def is_dir(path):
        if path.name == "c.txt":
            answer.wait(5)
        return looked(path)

    monkeypatch.setattr("histokit.io.patience.PATIENCE", 0.2)
    monkeypatch.setattr(Path, "is_dir", is_dir)
    _, tally = run(tmp_path)
    answer.set()
    assert [state.name for state in tally.states if state.status == "failed"] == ["c"]
    (failure,) = read_json(tmp_path / "out/failures.json")
    assert "no answer" in failure["reason"]


def test_images_are_looked_at_before_the_lock_and_states_within(tmp_path, broken):
    run(tmp_path, shard=Shard(2, 2))
    cohort = Cohort(tmp_path / "out", found(tmp_path), {}, Shard(1, 2))
    _, tally = drained(walk(cohort, shout(tmp_path / "out")))
    keys = keys_of_others(cohort, tally.states)
    assert sorted(keys) == ["b", "deep/d"]
    broken.update({f"{name}.txt" for name in "abcde"})
    states = known(cohort, tally.states, keys)
    assert [state.name for state in states] == NAMES
    broken.clear()
    later = {name: key for name, key in keys.items() if name != "b"}  # done in the meantime
    assert known(cohort, tally.states, later) == states


def test_left_overs_are_looked_for_once_while_others_remove_theirs(tmp_path, monkeypatch):
    run(tmp_path)
    out, looked, scan = tmp_path / "out", [], os.scandir
    for name in ("b", "c"):
        begun = read_state(out, name)
        write_state(out, begun.model_copy(update={"status": "running", "pid": GONE}))
        (out / "large" / f".{name}.txt.{GONE}.part").write_text("half")
    (out / ".other.work").mkdir()

    def scandir(folder):
        looked.append(Path(folder))
        if Path(folder).name == ".other.work":
            raise FileNotFoundError(folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    events, _ = run(tmp_path, resume=True)
    assert worked_on(events) == ["b", "c"]
    assert looked.count(out / "large") == looked.count(out / ".other.work") == 1
    monkeypatch.undo()
    assert not list(out.rglob("*.part"))


def test_what_came_before_an_early_end_is_known(tmp_path):
    out, ended = tmp_path / "out", {}
    run(tmp_path, names=["a"])

    def end():
        raise KeyboardInterrupt

    cohort = Cohort(out, found(tmp_path), {}, resume=True)
    with pytest.raises(KeyboardInterrupt):
        drained(walk(cohort, shout(out, bad=("b",), then={"deep/d": end}), ended))
    assert {name: state.status for name, state in ended.items()} == {
        "a": "done", "b": "failed", "c": "done",
    }  # fmt: skip


HOLDING = """
import sys
from pathlib import Path
from histokit.run.cohort.claims import claimed
from histokit.run.cohort.shards import Shard
with claimed(Path(sys.argv[1]), Shard(1, 2)):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_and_told_who_works(tmp_path):
    words = [sys.executable, "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"ready\n"
        for shard in (Shard(1, 2), Shard(), Shard(1, 3)):
            with (
                pytest.raises(RunBusy, match=f"process {other.pid} on ") as error,
                claimed(tmp_path, shard),
            ):
                pass
            assert error.value.exit_code == 8
        with claimed(tmp_path, Shard(2, 2)) as claim, claim.alone():
            pass
        other.kill()  # a lock whose holder died is free
        other.wait()
        with claimed(tmp_path, Shard()):
            pass


def test_a_name_of_any_length_and_form_has_its_own_file(tmp_path):
    names = ["x" * 251, "x" * 250, "细" * 80, "a/b", "a_b", "100%", "a\nb", "-"]
    paths = {path_of(tmp_path, name) for name in names}
    assert len(paths) == len(names)
    assert all(len(os.fsencode(path.name)) < 200 for path in paths)
    assert all(path.parent == tmp_path / STATES for path in paths)


def test_columns_of_manifests_are_carried(tmp_path):
    out = tmp_path / "out"
    items = [
        Item(tmp_path / "a.txt", PurePath("a"), carried={"case": "7", "letters": "many"}),
        Item(tmp_path / "b.txt", PurePath("b"), carried={"site": "Basel"}),
    ]
    for item in items:
        write_text(item.path, "text")
    _, tally = drained(walk(Cohort(out, items, {}), shout(out)))
    write_tables(out, COLUMNS, items, tally.states)
    with (out / "summary.csv").open(newline="") as handle:
        a, b = csv.DictReader(handle)
    assert (a["letters"], a["manifest.letters"], a["case"], a["site"]) == ("4", "many", "7", "")
    assert (b["case"], b["site"]) == ("", "Basel")
