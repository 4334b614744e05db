"""Small slides for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def write_pyramid(
    path: Path, pixels: np.ndarray, *, levels: int = 1, mpp: float | None = None, tile: int = 128
) -> list[np.ndarray]:
    """Writes a tiled pyramid, each level the means of 2 x 2 pixels of the one before; gives the
    levels."""
    made = [pixels]
    for _ in range(levels - 1):
        last = made[-1]
        even = last[: last.shape[0] // 2 * 2, : last.shape[1] // 2 * 2].astype(float)
        means = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
        made.append(np.rint(means).astype(np.uint8))
    resolution = None if mpp is None else (10_000 / mpp, 10_000 / mpp)
    with tifffile.TiffWriter(path) as file:
        for number, level in enumerate(made):
            file.write(
                level,
                tile=(tile, tile),
                photometric="rgb",
                compression="zlib",
                subfiletype=int(number > 0),
                resolution=None if resolution is None else tuple(r / 2**number for r in resolution),
                resolutionunit="CENTIMETER" if resolution else None,
                metadata=None,
            )
    return made


def nuclei(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Dark round and touching spots on pink, uint8 [H W 3]."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), (225, 180, 205), np.uint8)
    for _ in range(height * width // 900):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        a, b = rng.uniform(4, 11, 2)
        near = (slice(max(0, int(y) - 12), int(y) + 13), slice(max(0, int(x) - 12), int(x) + 13))
        inside = ((rows[near] - y) / a) ** 2 + ((cols[near] - x) / b) ** 2 < 1
        picture[near][inside] = rng.integers(20, 90)
    return picture
