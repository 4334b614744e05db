"""What a run promises: exact resume, untouched target labels, intact files when things go wrong."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

from command import TINY, Command
from histokit.data.folder import Folder
from histokit.io.checkpoints import load_state, load_weights
from histokit.run.events import Finished
from histokit.run.plan import make_plan
from histokit.run.train import train

LONG = ("--warmup-steps", "6", "--adapt-steps", "60", "--checkpoint-every", "4", "--val-every", "8")


def _run(folder: Path) -> Path:
    (run,) = [path for path in (folder / "runs").iterdir() if path.is_dir()]
    return run


def _same(a, b, where=""):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            _same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for n, (x, y) in enumerate(zip(a, b, strict=True)):
            _same(x, y, f"{where}[{n}]")
    else:
        assert a == b, where


def test_a_killed_run_resumed_equals_one_that_never_stopped(histokit, pair, tmp_path):
    histokit("train", "mani", *pair, *TINY, *LONG)
    straight = tmp_path / "straight"
    shutil.move(_run(tmp_path), straight)
    code, _ = histokit.stopped(
        signal.SIGKILL, Path("runs/*/metrics.csv"), "train", "mani", *pair, *TINY, *LONG
    )
    run = _run(tmp_path)
    assert code == -signal.SIGKILL
    assert 0 < load_state(run / "checkpoints" / "last.ckpt")["step"] < 66
    histokit("train", "mani", "--resume", str(run))
    _same(
        load_state(straight / "checkpoints" / "last.ckpt"),
        load_state(run / "checkpoints" / "last.ckpt"),
    )
    _same(*[load_weights(r / "checkpoints" / "best.safetensors")[0] for r in (straight, run)])
    assert (straight / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


STOPS_WITHIN = 30
"""Seconds from a signal to the end of a command; 10 are promised, on a machine with little else to
do."""
IMPATIENT = """
import signal, torch
from histokit.cli.app import main

save, step_0 = torch.save, []

def interrupted(state, handle):
    save(state, handle)
    if step_0:
        signal.raise_signal(signal.SIGINT)  # in this thread, and at once
    step_0.append(True)

torch.save = interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
main()
"""
"""A command that gets a Ctrl-C amid the second state that it saves."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_on_request_saves_and_says_how_to_go_on(histokit, pair, tmp_path, number):
    code, err = histokit.stopped(
        number, Path("runs/*/metrics.csv"), "train", "mani", *pair, *TINY,
        "--warmup-steps", "3000", "--adapt-steps", "0", "--log-every", "1", within=STOPS_WITHIN,
    )  # fmt: skip
    run = _run(tmp_path)
    assert code == 130
    assert f"--resume {run.relative_to(tmp_path)}" in err
    state = json.loads((run / "state.json").read_text())
    assert state["status"] == "interrupted"
    assert load_state(run / "checkpoints" / "last.ckpt")["step"] == state["step"] > 0


def test_a_second_stop_while_the_first_is_saved_ends_at_once_with_whole_files(pair, tmp_path):
    """Only the steps since the state before are lost."""
    code, err = Command(tmp_path, ("-c", IMPATIENT)).stopped(
        signal.SIGINT, Path("runs/*/metrics.csv"), "train", "mani", *pair, *TINY,
        "--warmup-steps", "3000", "--adapt-steps", "0", "--log-every", "1",
        "--checkpoint-every", "3000", "--checkpoint-minutes", "60", within=STOPS_WITHIN,
    )  # fmt: skip
    run = _run(tmp_path)
    assert (code, err.strip().splitlines()[-1]) == (130, "error: interrupted")
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert load_state(run / "checkpoints" / "last.ckpt")["step"] == 0
    assert json.loads((run / "state.json").read_text())["step"] == 0


def test_a_loss_that_is_not_finite_stops_with_step_images_and_state(histokit, pair, tmp_path):
    done = histokit(
        "train", "source-only", *pair[:2], *pair[4:], *TINY, "--steps", "60", "--lr", "1e30", code=3
    )
    assert "step" in done.stderr
    assert "source:breast/" in done.stderr
    assert f"state saved in {_run(tmp_path).relative_to(tmp_path)}" in done.stderr
    assert load_state(_run(tmp_path) / "checkpoints" / "last.ckpt")["step"] == 0
    assert json.loads((_run(tmp_path) / "state.json").read_text())["status"] == "failed"


def test_an_adapting_run_never_asks_for_a_target_label(pair, tmp_path, monkeypatch):
    asked = []
    read = Folder.labels

    def watched(self, record):
        asked.append(str(record.labels[0]))
        return read(self, record)

    monkeypatch.setattr(Folder, "labels", watched)
    plan = make_plan(
        "mani",
        preset="cpu",
        method_values={"warmup_steps": 1, "adapt_steps": 2, "tile": 32, "batch": 2},
        run_values={
            "source": pair[1],
            "target": pair[3],
            "split": "0.5,0.25,0.25",
            "runs": tmp_path,
            "device": "cpu",
        },
    )
    (run,) = [event.run for event in train(plan) if isinstance(event, Finished)]
    assert asked
    assert not [key for key in asked if "kidney" in key]
    assert json.loads((run / "env.json").read_text())["target_labels"] == "never read"
