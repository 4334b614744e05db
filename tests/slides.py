"""Small slides for tests."""

from __future__ import annotations

from importlib import import_module
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


def write_zarr(
    path: Path,
    pixels: list[np.ndarray],
    *,
    axes: str = "cyx",
    version: str = "0.5",
    unit: str = "micrometer",
    size: float = 0.25,
    whole: float | None = None,
    below: str = "",
) -> Path:
    """Writes levels [h w 3] as a group of OME-Zarr; `whole` scales every level, `below` is the
    group that the image is in."""
    zarr = import_module("zarr")
    group = zarr.create_group(store=path, zarr_format=2 if version == "0.4" else 3)
    if below:
        group.update_attributes({"bioformats2raw.layout": 3})
        group = group.create_group(below)
    datasets = []
    for number, level in enumerate(pixels):
        there = {"y": level.shape[0], "x": level.shape[1], "c": 3}
        shape = [there.get(axis, 1) for axis in axes]
        order = ["yxc".index(axis) for axis in axes if axis in there]
        data = (level if "c" in axes else level[..., 0]).transpose(order).reshape(shape)
        chunks = [min(side, 64) for side in shape]
        array = group.create_array(str(number), shape=shape, chunks=chunks, dtype="uint8")
        array[:] = data
        scale = [size * 2**number if axis in "yx" else 1.0 for axis in axes]
        steps = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(number), "coordinateTransformations": steps})
    kinds = {"t": "time", "c": "channel"}
    told = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    told = [{**axis, "unit": unit} if unit and axis["name"] in "yx" else axis for axis in told]
    multiscale = {"axes": told, "datasets": datasets}
    if whole:
        scale = [whole if axis in "yx" else 1.0 for axis in axes]
        multiscale["coordinateTransformations"] = [{"type": "scale", "scale": scale}]
    if version == "0.4":
        group.update_attributes({"multiscales": [{"version": "0.4", **multiscale}]})
    else:
        group.update_attributes({"ome": {"version": version, "multiscales": [multiscale]}})
    return path


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
