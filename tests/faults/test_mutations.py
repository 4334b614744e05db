"""Random damage to one file of each kind: a value that the file does say, or a named refusal.

Formats that keep a checksum of their values give the true ones or none. Others have no way to tell
a damaged value from a true one, so their values may differ, but not their type, nor their shape
where the number of values tells it, which in a JPEG it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
import torch

from faults.mutations import PeakMemory, in_time, mutated
from faults.odd_files import IDS, RGB, npy, pillow, tiff
from faults.victims import made_of
from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.checkpoints import load_state, load_weights, save_state, save_weights
from histokit.io.files import read_json, write_json
from histokit.io.geojson import read_geojson, write_geojson
from histokit.io.images import image_size, read_image, read_mask
from histokit.io.runs import RunFolder

EVERY = 10_000
"""Mutations of the whole set."""
BUDGET = 60
"""Seconds of work that they may take."""
LIMIT = 256 * 2**20
SHAPE = (24, 37)


@dataclass(frozen=True)
class Seed:
    """A sound file, what reads it, what must hold of a value that was read, and whether the format
    has a checksum, by which it is the true one.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    honest: Callable[[Any], bool]
    checked: bool = False


def image(path: Path) -> Any:
    found = read_image(path, max_pixels=10**6)
    assert found.shape == (*image_size(path), 3)
    return found


def is_image(found: Any) -> bool:
    return found.dtype == np.uint8 and found.shape == RGB.shape


def is_picture(found: Any) -> bool:
    """An image of a size that nothing but the header says."""
    return found.dtype == np.uint8 and found.size > 0


def mask(path: Path) -> Any:
    return read_mask(path, max_pixels=10**6)


def is_mask(found: Any) -> bool:
    return found.dtype == np.int32 and found.shape == IDS.shape and found.min() >= 0


def same(found: Any, true: Any) -> bool:
    """Whether two values, arrays or mappings of tensors are equal to the last bit."""
    if isinstance(true, tuple):
        return all(map(same, found, true))
    if isinstance(true, Mapping):
        return found.keys() == true.keys() and all(same(found[key], true[key]) for key in true)
    return type(found) is type(true) and np.array_equal(found, true)


def holding(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


TENSORS = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
CARD = {"method": "source-only", "settings": {"steps": 2}, "tile": 32}
STATE = {"step": 2, "best": {"score": 0.5}, "stateful": {"network": TENSORS}}


def weights(path: Path) -> None:
    save_weights(path, TENSORS, CARD)


def are_the_weights(found: Any) -> bool:
    tensors, card = found
    return dict(made_of(tensors)) == dict(made_of(TENSORS)) and card.items() >= CARD.items()


def is_the_state(found: Any) -> bool:
    return dict(made_of(found)) == dict(made_of({"format": 1, **STATE}))


def manifest(path: Path) -> None:
    own = {name: {"value": 2, "origin": "option"} for name in ("batch", "steps")}
    run = {"seed": {"value": 0, "origin": "default"}}
    RunFolder(path.parent).write_settings({"method": "mani", "settings": own, "run": run})


def outlines(path: Path) -> None:
    ids = np.zeros(SHAPE, np.int32)
    ids[2:9, 3:12], ids[12:20, 20:30], ids[4:6, 30:33] = 1, 2, 7
    write_geojson(path, Instances(ids, {1: 1, 2: 1, 7: 1}, {1: 0.5}), mpp=0.5)


ZIPPED = {"compression": "zlib", "photometric": "minisblack"}
SEEDS = [
    Seed("a.png", holding(pillow(RGB, "png")), image, is_image, checked=True),
    Seed("a.jpg", holding(pillow(RGB, "jpeg", quality=80)), image, is_picture),
    Seed("a.tif", holding(tiff(RGB, photometric="rgb", compression="lzw")), image, is_image),
    Seed("a.bmp", holding(pillow(RGB, "bmp")), image, is_image),
    Seed("a.npy", holding(npy(RGB)), image, is_image),
    Seed("ids.png", holding(pillow(IDS, "png")), mask, is_mask, checked=True),
    Seed("ids.tif", holding(tiff(IDS, **ZIPPED)), mask, is_mask, checked=True),
    Seed("lzw.tif", holding(tiff(IDS, **ZIPPED | {"compression": "lzw"})), mask, is_mask),
    Seed("ids.npy", holding(npy(IDS)), mask, is_mask),
    Seed("best.safetensors", weights, load_weights, are_the_weights),
    Seed("last.ckpt", lambda path: save_state(path, STATE), load_state, is_the_state),
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
    whole, true = path.read_bytes(), seed.read(path)
    assert seed.honest(true)
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
            if not seed.honest(value) or (seed.checked and not same(value, true)):
                found.append(f"{n}: {value!r}")
    return found


def keeps(seed: Seed, folder: Path, number: int) -> None:
    memory = PeakMemory()
    assert wrong(seed, folder, number) == []
    assert memory.grown() < LIMIT


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_ten_thousand_damages_are_refused_or_harmless(tmp_path, seed):
    start = process_time()
    keeps(seed, tmp_path, -(-EVERY // len(SEEDS)))
    assert process_time() - start < BUDGET / len(SEEDS)


def test_json_of_a_run_is_refused_or_harmless(tmp_path):
    """state.json, which other programs write too."""
    state = {"status": "running", "step": 12, "best": {"score": 0.5, "what": "dice"}}
    seed = Seed("state.json", lambda path: write_json(path, state), read_json, lambda found: True)
    keeps(seed, tmp_path, 100)
