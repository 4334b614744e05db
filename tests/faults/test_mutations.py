"""Random damage to one file of each kind: a value that the file does say, or a named refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faults.mutations import PeakMemory, in_time, mutated
from faults.odd_files import RGB, npy, pillow, tiff
from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.checkpoints import load_weights, save_weights
from histokit.io.files import read_json, write_json
from histokit.io.geojson import read_geojson, write_geojson
from histokit.io.images import image_size, read_image
from histokit.io.runs import RunFolder

EVERY, SOME = 10_000, 1_000
"""Mutations of the whole set, by hand and in the fast run."""
LIMIT = 256 * 2**20
SHAPE = (24, 37)


@dataclass(frozen=True)
class Seed:
    """A sound file, what reads it, and what must hold of a value that was read."""

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    honest: Callable[[Any], bool]


def image(path: Path) -> Any:
    found = read_image(path, max_pixels=10**6)
    assert found.shape == (*image_size(path), 3)
    return found


def is_image(found: Any) -> bool:
    return found.dtype == np.uint8 and found.size > 0


def holding(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def weights(path: Path) -> None:
    tensors = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
    save_weights(path, tensors, {"method": "source-only", "settings": {"steps": 2}, "tile": 32})


def are_weights(found: Any) -> bool:
    tensors, card = found
    return isinstance(card, dict) and all(isinstance(t, torch.Tensor) for t in tensors.values())


def manifest(path: Path) -> None:
    own = {name: {"value": 2, "origin": "option"} for name in ("batch", "steps")}
    run = {"seed": {"value": 0, "origin": "default"}}
    RunFolder(path.parent).write_settings({"method": "mani", "settings": own, "run": run})


def outlines(path: Path) -> None:
    ids = np.zeros(SHAPE, np.int32)
    ids[2:9, 3:12], ids[12:20, 20:30], ids[4:6, 30:33] = 1, 2, 7
    write_geojson(path, Instances(ids, {1: 1, 2: 1, 7: 1}, {1: 0.5}), mpp=0.5)


SEEDS = [
    Seed("a.png", holding(pillow(RGB, "png")), image, lambda found: np.array_equal(found, RGB)),
    Seed("a.jpg", holding(pillow(RGB, "jpeg", quality=80)), image, is_image),
    Seed("a.tif", holding(tiff(RGB, photometric="rgb", compression="lzw")), image, is_image),
    Seed("a.bmp", holding(pillow(RGB, "bmp")), image, is_image),
    Seed("a.npy", holding(npy(RGB)), image, is_image),
    Seed("best.safetensors", weights, load_weights, are_weights),
    Seed(
        "run.yaml",
        manifest,
        lambda path: RunFolder(path.parent).settings(),
        lambda found: isinstance(found["method"], str) and isinstance(found["run"], Mapping),
    ),
    Seed(
        "a.geojson",
        outlines,
        lambda path: read_geojson(path, SHAPE),
        lambda found: found.dtype == np.int32 and found.shape == SHAPE,
    ),
]


def wrong(seed: Seed, folder: Path, number: int) -> list[str]:
    """What did not keep the promise among some mutations of a seed."""
    path = folder / seed.name
    seed.make(path)
    whole = path.read_bytes()
    assert seed.honest(seed.read(path))
    rng = np.random.default_rng([10, *seed.name.encode()])
    found = []
    for n in range(number):
        data = mutated(whole, rng)
        path.write_bytes(data)
        try:
            with in_time():
                value = seed.read(path)
        except DataError as error:
            if str(path) not in str(error):
                found.append(f"{n}: {path.name} is not named: {error}")
        except Exception as error:
            found.append(f"{n}: {type(error).__name__}: {error}: {data[:200]!r}")
        else:
            if not seed.honest(value):
                found.append(f"{n}: {value!r}")
    return found


def keeps(seed: Seed, folder: Path, number: int) -> None:
    memory = PeakMemory()
    assert wrong(seed, folder, number) == []
    assert memory.grown() < LIMIT


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_damage_is_refused_or_harmless(tmp_path, seed):
    keeps(seed, tmp_path, SOME // len(SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_ten_thousand_damages_are_refused_or_harmless(tmp_path, seed):
    keeps(seed, tmp_path, EVERY // len(SEEDS))


def test_json_of_a_run_is_refused_or_harmless(tmp_path):
    """state.json, which other programs write too."""
    state = {"status": "running", "step": 12, "best": {"score": 0.5, "what": "dice"}}
    seed = Seed("state.json", lambda path: write_json(path, state), read_json, lambda found: True)
    keeps(seed, tmp_path, 100)
