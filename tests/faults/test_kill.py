"""``kill -9`` at random moments: nothing that was safe is lost, and the end is the same."""

from __future__ import annotations

import random
import signal
import sys
import time

import pytest

from faults.victims import (
    Life,
    alive,
    contents,
    dying_between_names,
    going_on,
    nobody_left,
    step_of,
    training,
    writing,
)
from histokit.io.checkpoints import load_newest
from histokit.io.runs import RunFolder
from toys import plan, stopped_at, trained

MOST_LOST = 1
"""Steps, with a checkpoint each step."""
PER_KILL = 4
"""Steps of a training for each time it is killed."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def lost_checkpoints(folder: RunFolder, kills: int) -> tuple[int, int]:
    """How many kills during writes lost the last good state, and how many left half a file."""
    chance = random.Random(4)
    lost, halves = 0, 0
    for _ in range(kills):
        life = Life(writing, folder.path)
        before = step_of(folder)
        assert life.reaches(before + 1)
        time.sleep(chance.uniform(0, 0.1))
        safe = life.told.value
        assert life.kill()
        state, _ = load_newest(folder.last, folder.previous)
        lost += state["step"] < safe or bool((state["w"] != float(state["step"])).any())
        halves += bool(list(folder.path.rglob(".*.part")))
        with folder.lock():
            assert not list(folder.path.rglob(".*.part"))
    return lost, halves


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_no_kill_while_writing_loses_a_checkpoint(tmp_path, kills):
    lost, halves = lost_checkpoints(RunFolder.create(tmp_path, "toy", "0" * 8), kills)
    assert lost == 0
    assert halves > 0  # else no kill fell into a write, and nothing was tried


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_training_killed_many_times_ends_as_if_it_never_was(pair, tmp_path, kills):
    chance = random.Random(7)
    how = {
        "log_every": 1,
        "checkpoint_every": 1,
        "val_every": PER_KILL * 3,
        "method_values": {"steps": PER_KILL * kills},
    }
    straight, _ = trained(plan("source-only", pair, tmp_path / "a", **how))
    life = Life(training, plan("source-only", pair, tmp_path / "b", **how))
    assert life.reaches(0)
    for _ in range(kills):
        assert life.reaches(life.told.value + chance.randrange(3))
        time.sleep(chance.uniform(0, 0.05))
        told = life.told.value
        assert life.kill()
        (path,) = (tmp_path / "b").iterdir()
        run = RunFolder(path)
        saved = step_of(run)
        assert saved >= told - MOST_LOST
        life = Life(going_on, path)
        assert life.reaches(0)
        assert life.told.began == saved
    life.end()
    assert contents(path) == contents(straight)


def test_a_kill_between_the_two_names_of_a_save_loses_nothing(pair, tmp_path):
    """The state before is there then, the last one is not."""
    how = {"log_every": 1, "checkpoint_every": 1, "method_values": {"steps": 6}}
    straight, _ = trained(plan("source-only", pair, tmp_path / "a", **how))
    path = stopped_at(2, plan("source-only", pair, tmp_path / "b", **how))
    run = RunFolder(path)
    dead = Life(dying_between_names, path)
    assert not dead.reaches(10)
    dead.process.join()
    assert dead.process.exitcode == -signal.SIGKILL
    assert not run.last.exists()
    assert step_of(run) == dead.told.value - MOST_LOST == 2
    life = Life(going_on, path)
    life.end()
    assert life.told.began == 2
    assert contents(path) == contents(straight)


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_loading_processes_do_not_outlive_their_parent(pair, tmp_path, start):
    """Nor does the server that forked them."""
    how = plan("source-only", pair, tmp_path, workers=2, log_every=1,
               method_values={"steps": 10_000})  # fmt: skip
    life = Life(training, how, start)
    assert life.reaches(2)
    children = life.below()
    assert len(children) >= 2
    with nobody_left(*children):
        assert life.kill()
        deadline = time.monotonic() + 30  # at once, on a machine with little else to do
        while any(map(alive, children)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [pid for pid in children if alive(pid)]
