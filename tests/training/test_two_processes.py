"""Two gloo processes on the CPU: together they are one process with twice the batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLOSE = 2e-6
"""Rounding of a few steps of Adam in float32."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the processes found; see the script."""
    folder = tmp_path_factory.mktemp("two")
    script = Path(__file__).with_name("in_two_processes.py")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("what", ["mean loss", "players", "norms", "norms on average"])
def test_two_processes_are_one_with_twice_the_batch(found, what):
    """Losses that are means over images, without batch statistics or with those of all."""
    assert all(own[what] < CLOSE for own in found)


def test_a_weight_that_one_process_has_no_gradient_for_gets_the_mean(found):
    """The first met only the last weight, the second the first as well; of the other none."""
    assert [own["lacking"] for own in found] == [[3.0, None, 1.0]] * 2


def test_a_loss_that_is_not_finite_in_one_stops_both_before_weights_move(found):
    assert [own["not finite"] for own in found] == [[True, 0.0], [False, 0.0]]


def test_spread_weights_train_alike_and_their_state_is_whole(found):
    """Each keeps a part; what was saved goes on in one process and, spread again, in two."""
    assert all(max(own["spread"]["ended"]) < CLOSE for own in found)
    assert sum(own["spread"]["kept"] for own in found) == 443
    assert all(own["spread"]["plain"] for own in found)


def test_what_processes_tell_each_other(found):
    for own in found:
        assert own["shared"] == 0
        assert own["means"] == {"both": 1.5, "own 0": 5.0, "own 1": 5.0}
        assert own["anywhere"] == [True, False]
        assert own["gathered"] == [0, 1]
