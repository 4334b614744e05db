"""Commands in two gloo processes on the CPU: one run folder, one voice, equal weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import SPLIT, TINY
from histokit.io.checkpoints import load_state
from histokit.io.files import read_json
from histokit.io.labels import read_label_tiff
from histokit.io.runs import RunFolder

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
MANI = (*TINY, "--warmup-steps", "2", "--adapt-steps", "1", "--threads", "1", "--log-every", "1")
SYNDIFF = (
    "--preset", "cpu", "--device", "cpu", "--channels", "3", "--tile", "64", "--steps", "2",
    "--check-steps", "1", "--segment-steps", "2", "--log-every", "1",
    "--set", "width=8", "--set", "translator_width=4", "--set", "segment_width=2",
)  # fmt: skip
MDCL = (
    "--preset", "cpu", "--device", "cpu", "--pairs", "synth-he-ihc", "--set", "epochs=1",
    "--set", "decay_epochs=1", "--set", "epoch_steps=2", "--log-every", "1",
)  # fmt: skip
QUIET = {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Together:
    """Runs a command in two processes in a folder."""

    folder: Path

    def __call__(self, launcher, *words, code=0, **environment):
        """The finished command; fails where its exit code is another, or where it hangs."""
        script = Path(__file__).with_name("as_typed.py")
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(self.folder), *words],
            cwd=self.folder,
            env={**os.environ, **QUIET, "PYTHONPATH": str(script.parents[1]), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def found(self):
        """What each process wrote."""
        paths = [self.folder / f"rank{rank}.json" for rank in (0, 1)]
        return [json.loads(path.read_text()) for path in paths]

    @property
    def run(self):
        """The only run folder."""
        (path,) = (self.folder / "runs").iterdir()
        return RunFolder(path)

    @property
    def tiles(self):
        """A folder with an image."""
        (self.folder / "tiles").mkdir()
        image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
        Image.fromarray(image).save(self.folder / "tiles" / "a.png")
        return "tiles"


@pytest.fixture
def together(tmp_path):
    return Together(tmp_path)


def _sound(together, done, steps, *, buffers=False):
    """One voice, one run folder with everything once, and the same finite weights in both."""
    first, second = together.found
    assert first["weights"] == second["weights"]
    assert first["finite"]
    assert first["step"] == second["step"] == steps
    assert (first["buffers"] == second["buffers"]) is buffers
    run = together.run
    (told,) = json.loads(done.stdout)
    assert Path(told["run"]).name == run.id
    assert done.stderr.count("run: ") == 1
    assert run.state()["status"] == "finished"
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["started", *["progress"] * steps, "finished"]
    rows = run.metrics()
    assert len({row[:3] for row in rows}) == len(rows)
    assert len(load_state(run.last)["generators"]) == 2


def test_mani_in_two_processes(together, histokit, pair):
    done = together(TORCHRUN, "train", "mani", *pair, *MANI, "--sync-batchnorm", "--json")
    _sound(together, done, 3, buffers=True)
    assert "2 processes" in done.stderr
    assert read_json(together.run.environment)["world"] == 2
    histokit("predict", str(together.run.path), together.tiles, "-o", "out")
    assert read_label_tiff(together.folder / "out" / "labels" / "a.tif").shape == (70, 90)


@pytest.mark.slow
def test_mdcl_in_two_processes(together, histokit):
    done = together(TORCHRUN, "train", "mdcl", *MDCL, *SPLIT, "--threads", "1", "--json")
    steps = together.found[0]["step"]
    assert steps in (2, 4)
    _sound(together, done, steps, buffers=True)  # its norms keep no statistics
    histokit("translate", str(together.run.path), together.tiles, "-o", "out")
    with Image.open(together.folder / "out" / "a.png") as made:
        assert made.size == (90, 70)


@pytest.mark.slow
def test_syndiff_pl_in_two_processes(together, histokit, pair):
    done = together(TORCHRUN, "train", "syndiff-pl", *pair, *SYNDIFF, "--threads", "1", "--json")
    _sound(together, done, 5)  # each measured the translations of its own images
    pools = load_state(together.run.last)["own"][1]
    kept = [state["windows"] for state in pools.values() if "windows" in state]
    assert kept
    assert all(kept)  # the pool of each process is its own, and is saved
    histokit("predict", "syndiff-pl", together.tiles, "-o", "out")
    assert read_label_tiff(together.folder / "out" / "labels" / "a.tif").shape == (70, 90)


@pytest.mark.slow
def test_fsdp_keeps_a_part_of_the_weights_in_each(together, histokit, pair):
    words = ("--steps", "3", "--val-every", "2", "--threads", "1", "--strategy", "fsdp", "--json")
    done = together((), "train", "source-only", *pair, *TINY, *words, "--devices", "2",
                    "--log-every", "1", "--sync-batchnorm")  # fmt: skip
    _sound(together, done, 3, buffers=True)
    assert "a part of the weights each" in done.stderr
    histokit("predict", str(together.run.path), together.tiles, "-o", "out")
    assert read_label_tiff(together.folder / "out" / "labels" / "a.tif").shape == (70, 90)


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_what_fails_in_one_process_ends_both_and_is_told_once(together, pair, rank):
    done = together((), "train", "source-only", *pair, *TINY, "--steps", "3", "--devices", "2",
                    "--threads", "1", "--json", code=3, FAILS=rank)  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count("this image is damaged") == 1
    assert done.stderr.count("error:") == 1
    assert ("process 1: " in done.stderr) is (rank == "1")
    assert together.run.state()["status"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_loss_that_is_no_number_in_one_process_stops_both(together, pair, strategy):
    words = ("--steps", "3", "--devices", "2", "--strategy", strategy, "--threads", "1")
    done = together((), "train", "source-only", *pair, *TINY, *words, code=3, NAN="1")
    assert done.stderr.count("error:") == 1
    assert "process 1: training stopped at step 1 (phase train): the loss became nan" in done.stderr
    assert "a batch of source:" in done.stderr
    assert (together.run.path / "checkpoints" / "failed.ckpt").is_file()
    assert load_state(together.run.last)["step"] == 0


@pytest.mark.slow
def test_fsdp_refuses_several_players(together, pair):
    done = together((), "train", "mani", *pair, *MANI, "--strategy", "fsdp", "--devices", "2",
                    code=2)  # fmt: skip
    assert done.stderr.count("mani cannot be trained with --strategy fsdp") == 1
    assert "--strategy ddp" in done.stderr
