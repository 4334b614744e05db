"""A disk that is full: old files stay whole, nothing half is left, and work goes on later."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faults.disks import small_disk
from faults.victims import contents
from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.bundles import write_bundle
from histokit.io.checkpoints import load_state, save_state, save_weights
from histokit.io.chunks import Chunks
from histokit.io.files import DiskError, write_json
from histokit.io.geojson import write_geojson
from histokit.io.labels import write_label_tiff
from histokit.io.pictures import write_picture
from histokit.io.probabilities import write_probabilities
from histokit.io.pyramid import ome_pyramid
from histokit.io.runs import RunFolder
from histokit.run.events import ItemDone, ItemFailed, Progress, Started
from histokit.run.importing import import_dataset
from histokit.run.predict import PredictOptions, predict
from histokit.run.train import resume, train
from toys import image, plan, trained

ROOM = 512 * 2**10
"""Bytes of the small disk, and of the largest file where files are limited."""
NOISE = np.random.default_rng(0)


@contextmanager
def largest_file(bytes_: int) -> Iterator[None]:
    """No file of this process can grow beyond some bytes; the system says so as of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(params=["limited files", "small disk"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder that takes only so much."""
    if request.param == "limited files":
        with largest_file(ROOM):
            yield tmp_path
        return
    with small_disk(tmp_path, ROOM):
        yield tmp_path


def noise(number: int) -> np.ndarray:
    """So many bytes that no writer can pack."""
    return NOISE.integers(0, 256, number, dtype=np.uint8)


def square(number: int) -> np.ndarray:
    side = int(number**0.5)
    return noise(side * side).reshape(side, side)


def bundle(path: Path, number: int) -> None:
    """Weights of an exported model; their own file lies on a disk with room."""
    with tempfile.TemporaryDirectory() as elsewhere:
        weights = Path(elsewhere) / "w.safetensors"
        with largest_file(resource.RLIM_INFINITY):
            save_weights(weights, {"w": torch.from_numpy(noise(number))}, {})
        write_bundle(path, weights, {}, "page")


def slide(path: Path, number: int) -> None:
    """A translated slide."""
    side = int((number / 3) ** 0.5)
    with ome_pyramid(path, (side, side), compression="deflate") as put:
        put(0, 0, noise(3 * side * side).reshape(side, side, 3))


def outlines(path: Path, number: int) -> None:
    objects = Instances(np.eye(4, dtype=np.int32), {}, {})
    write_geojson(path, objects, provenance={"note": noise(number // 2).tobytes().hex()})


WRITERS: dict[str, Callable[[Path, int], object]] = {
    "a.json": lambda path, number: write_json(path, noise(number // 2).tobytes().hex()),
    "last.ckpt": lambda path, number: save_state(path, {"w": torch.from_numpy(noise(number))}),
    "best.safetensors": lambda path, n: save_weights(path, {"w": torch.from_numpy(noise(n))}, {}),
    "a.tif": lambda path, number: write_label_tiff(path, square(number).astype(np.uint16)),
    "a.png": lambda path, number: write_picture(path, square(number), "png"),
    "b.tif": lambda path, number: write_picture(path, square(number), "tiff"),
    "a.h5": lambda path, n: write_probabilities(path, NOISE.random((1, 8, n // 16)).astype("f4")),
    "a.geojson": outlines,
    "a.geojson.gz": lambda path, number: outlines(path, 2 * number),
    "000000.chunk": lambda path, number: Chunks(path.parent).write(0, {"a": noise(number)}),
    "a.zip": bundle,
    "a.ome.tif": slide,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_old_file_stays_and_nothing_half(small, name):
    path, write = small / name, WRITERS[name]
    write(path, 10_000)
    before = path.read_bytes()
    with pytest.raises(DiskError, match=f"cannot write .*{name}") as caught:
        write(path, 4 * ROOM)
    assert caught.value.found
    assert "free space" in caught.value.hint
    assert path.read_bytes() == before
    assert os.listdir(small) == [name]
    write(path, 20_000)


def test_a_model_that_is_exported_as_a_folder_is_whole_or_not_there(small):
    """Its weights come first."""
    with pytest.raises(DiskError, match=r"cannot write .*weights\.safetensors"):
        bundle(small / "model", 4 * ROOM)
    assert os.listdir(small / "model") == []
    bundle(small / "model", 10_000)
    assert len(os.listdir(small / "model")) == 3


@pytest.mark.parametrize("small", ["small disk"], indirect=True)
def test_an_import_is_refused_before_it_fills_the_disk(small, pair):
    """HDF5 may take the whole process down there."""
    path = small / "a.h5"
    path.write_bytes(b"old")
    with pytest.raises(DataError, match="no room to write in") as caught:
        list(import_dataset(pair[1], path, overwrite=True))
    assert "MB free" in caught.value.found
    assert path.read_bytes() == b"old"
    assert os.listdir(small) == ["a.h5"]


def test_a_name_that_cannot_be_is_the_fault_of_one_file_only(tmp_path):
    with pytest.raises(DataError) as caught:
        write_json(tmp_path / ("n" * 300), 1)
    assert not isinstance(caught.value, DiskError)


def test_a_training_stops_keeps_its_state_and_goes_on(pair, tmp_path):
    how = {"log_every": 1, "checkpoint_every": 1, "val_every": 4, "method_values": {"steps": 8}}
    straight, _ = trained(plan("source-only", pair, tmp_path / "a", **how))
    events = train(plan("source-only", pair, tmp_path / "b", **how))
    path = next(event.run for event in events if isinstance(event, Started))
    next(event for event in events if isinstance(event, Progress) and event.step == 3)
    run = RunFolder(path)
    with largest_file(1000), pytest.raises(DataError, match=r"cannot write .*last\.ckpt"):
        list(events)
    assert load_state(run.last)["step"] == 2
    assert not list(path.rglob("*.part"))
    assert run.state()["status"] == "failed"
    list(resume(path))
    assert contents(path) == contents(straight)


def test_predictions_stop_at_once_and_the_good_ones_stay(tmp_path, monkeypatch):
    """Not an image after the other, each through the network for nothing."""
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_picture(tmp_path / "in" / f"{number}.png", image(40, 40, number), "png")
    events = predict(PredictOptions("otsu-hed", [tmp_path / "in"], tmp_path / "out", device="cpu"))
    next(event for event in events if isinstance(event, ItemDone))
    before = sorted((tmp_path / "out").glob("[!.]*/*"))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("histokit.io.files.os.fsync", full)
    rest: list[Any] = []
    with pytest.raises(DiskError, match="cannot write"):
        rest += events
    assert not [event for event in rest if isinstance(event, ItemFailed)]
    assert sorted((tmp_path / "out").glob("[!.]*/*")) == before
    monkeypatch.undo()
    done = list(predict(PredictOptions("otsu-hed", [tmp_path / "in"], tmp_path / "out")))
    assert sum(isinstance(event, ItemDone) for event in done) == 3
