"""A small disk that fills up to its last byte while commands work on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from faults.disks import small_disk
from faults.victims import contents
from histokit.errors import DataError
from histokit.io.files import DiskError
from histokit.io.pictures import write_picture
from histokit.io.runs import RunFolder
from histokit.run.events import ItemDone, Predicted, Progress, Started
from histokit.run.exchange import export_model
from histokit.run.predict import PredictOptions, predict
from histokit.run.train import resume, train
from toys import image, plan, trained

BALLAST = "ballast"
TRAINED = {"log_every": 1, "checkpoint_every": 1, "val_every": 4, "method_values": {"steps": 8}}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB, which holds a small run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 64 * 2**20):
        yield folder


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte more fits on the disk."""
    handle = os.open(disk / BALLAST, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (2**20, 2**12, 1):
            fill(handle, size)
        yield
    finally:
        os.close(handle)
        (disk / BALLAST).unlink()


def fill(handle: int, size: int) -> None:
    try:
        while os.write(handle, bytes(size)) == size:
            pass
    except OSError:
        return


def files(folder: Path) -> dict[str, bytes]:
    """What is on the disk, but for the ballast."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != BALLAST]
    return {str(path): path.read_bytes() for path in found}


def test_a_training_keeps_its_state_and_goes_on(pair, disk, tmp_path):
    straight, _ = trained(plan("source-only", pair, tmp_path / "a", **TRAINED))
    events = train(plan("source-only", pair, disk / "b", **TRAINED))
    path = next(event.run for event in events if isinstance(event, Started))
    next(event for event in events if isinstance(event, Progress) and event.step == 3)
    states = files(path / "checkpoints")
    with full(disk):
        with pytest.raises(DiskError, match="cannot write") as caught:
            list(events)
        assert "free space" in caught.value.hint
        assert files(path / "checkpoints") == states
        assert not list(disk.rglob("*.part"))
    list(resume(path))
    assert contents(path) == contents(straight)


def test_predictions_keep_what_is_done_and_go_on(disk, tmp_path):
    for number in range(3):
        write_picture(tmp_path / "in" / f"{number}.png", image(40, 40, number), "png")
    options = {"inputs": [tmp_path / "in"], "out": disk / "out", "device": "cpu"}
    events = predict(PredictOptions("otsu-hed", **options))
    next(event for event in events if isinstance(event, ItemDone))
    done = files(disk / "out" / "labels")
    with full(disk):
        with pytest.raises(DiskError, match="cannot write"):
            list(events)
        assert files(disk / "out" / "labels") == done
        assert not list(disk.rglob("*.part"))
    rest: list[Any] = list(predict(PredictOptions("otsu-hed", **options, resume=True)))
    assert len(done) == 1
    (told,) = [event for event in rest if isinstance(event, Predicted)]
    assert (told.done, told.skipped) == (3, 1)


def test_an_export_keeps_the_old_bundle(pair, disk, tmp_path):
    run, _ = trained(plan("source-only", pair, tmp_path / "runs", method_values={"steps": 1}))
    weights = RunFolder(run).best.stat().st_size
    with full(disk):
        with pytest.raises(DataError, match="cannot write"):
            export_model(str(run), disk / "new.zip", runs=tmp_path / "runs")
        assert not files(disk)
    bundle = export_model(str(run), disk / "new.zip", runs=tmp_path / "runs")
    assert bundle.stat().st_size > weights
