"""Damage to small slides, and what the libraries make of it; run in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from faults.mutations import in_time, mutated
from histokit.errors import HistokitError
from histokit.io.slides_open import is_slide, open_slide
from slides import nuclei


def wrong(backend: str, folder: Path, number: int) -> list[str]:
    """What did not keep the promise among some damages of a slide of each compression."""
    return [line for kind in ("zlib", "jpeg") for line in _wrong(kind, backend, folder, number)]


def _wrong(compression: str, backend: str, folder: Path, number: int) -> list[str]:
    """The same for one of them.

    A wrong picture counts only where the library has a way to know: zlib has checksums, which
    OpenSlide does not look at.
    """
    path = folder / f"{compression}.tif"
    with tifffile.TiffWriter(path) as file:
        for level in (0, 1):
            pixels = nuclei(96, 80)[:: level + 1, :: level + 1]
            file.write(pixels, tile=(32, 32), photometric="rgb", compression=compression,
                       subfiletype=level, metadata=None)  # fmt: skip
    whole, sound = path.read_bytes(), regions(path, backend)
    sure = compression == "zlib" and backend == "tifffile"
    rng = np.random.default_rng([4, *compression.encode(), *backend.encode()])
    found = []
    for n in range(number):
        path.write_bytes(_flipped(whole, rng) if n % 2 else mutated(whole, rng))
        try:
            with in_time():
                is_slide(path)
                read = regions(path, backend)
        except HistokitError as error:
            found += [] if str(path) in str(error) else [f"{n}: it is not named: {error}"]
        except Exception as error:
            found.append(f"{n}: {type(error).__name__}: {error}")
        else:
            alike = [a.shape for a in read] == [a.shape for a in sound]
            if sure and alike and not all(map(np.array_equal, read, sound)):
                found.append(f"{n}: other pixels")
    return found


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with a bit of one of them turned, behind the header."""
    place = int(rng.integers(8, len(data)))
    return data[:place] + bytes([data[place] ^ (1 << int(rng.integers(8)))]) + data[place + 1 :]


def regions(path: Path, backend: Any = None) -> list[np.ndarray]:
    """All levels of a slide, as far as they are small."""
    with open_slide(path, backend) as slide:
        found = []
        for number, level in enumerate(slide.levels):
            size = min(level.height, 300), min(level.width, 300)
            found.append(slide.region(number, 0, 0, size[1], size[0]))
            assert found[-1].dtype == np.uint8
            assert found[-1].shape == (*size, 3)
        return found
