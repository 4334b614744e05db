"""Slides in OME-Zarr: folders of chunks, read by what their axes say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, final

import numpy as np

from histokit.io.limits import MAX_TILE
from histokit.io.ngff import LAYOUT, Pyramid, read_metadata, require_zarr
from histokit.io.raster import Refused
from histokit.io.slides import Level, Pixels, Slide, damaged, plausible, too_large

ALONE = "tzc"
"""Axes beside rows and columns; of times and depths there may be one, of channels one or three."""


@final
class ZarrSlide(Slide):
    """An OME-Zarr image of 8-bit RGB or grey: the group itself, or the first image of one that
    bioformats2raw made. Chunks that are not there have the fill value of their array.

    Raises Refused where it is another kind of group, DataError where its chunks are too large,
    PluginError where zarr is missing.
    """

    backend = "zarr"

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise Refused("no folder")
        self.path = path
        self.power = None
        zarr = require_zarr()
        try:
            group, pyramid = _image(zarr.open_group(store=path, mode="r"))
            self._arrays = [group[name] for name in pyramid.paths]
        except (Refused, MemoryError):
            raise
        except Exception as error:  # zarr and its codecs raise many kinds
            raise Refused(f"{type(error).__name__}: {error}") from error
        self._axes = pyramid.axes
        for array in self._arrays:
            _check(array, self._axes)
            if math.prod(array.chunks) > MAX_TILE:
                found = f"one of {'x'.join(map(str, array.chunks))}"
                raise too_large(path, f"chunks of at most {MAX_TILE} bytes", found)
        self.levels = tuple(Level(self._side(a, "x"), self._side(a, "y")) for a in self._arrays)
        self.mpp = plausible(pyramid.mpp)

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """See `Slide.region`."""
        spans = {"x": slice(x, x + width), "y": slice(y, y + height), "c": slice(None)}
        where = tuple(spans.get(axis, 0) for axis in self._axes)
        try:
            pixels = np.asarray(self._arrays[level][where])
        except Exception as error:  # zarr and its codecs raise many kinds
            raise damaged(self.path, f"at ({x}, {y}) of level {level}", error) from error
        left = [axis for axis in self._axes if axis in spans]
        pixels = pixels.transpose([left.index(axis) for axis in "yxc" if axis in left])
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)))

    def _close(self) -> None:
        """Chunks are files of their own, and none stays open."""

    def _side(self, array: Any, axis: str) -> int:
        return int(array.shape[self._axes.index(axis)])


def _image(group: Any) -> tuple[Any, Pyramid]:
    """The group of the image, and what its metadata says."""
    attributes = dict(group.attrs)
    pyramid = read_metadata(attributes)
    if pyramid is not None:
        return group, pyramid
    if LAYOUT in attributes.get("ome", attributes):
        return _image(group["0"])
    raise Refused("a Zarr group that is no OME-Zarr image")


def _check(array: Any, axes: str) -> None:
    """Refuses what cannot be read as RGB."""
    if array.dtype != np.uint8:
        raise Refused(f"samples of type {array.dtype}")
    if len(array.shape) != len(axes) or sorted(axes) != sorted(set(axes)):
        raise Refused(f"axes {axes} of an array of {len(array.shape)}")
    if not set("yx") <= set(axes) <= {*"yx", *ALONE}:
        raise Refused(f"axes {axes}")
    counts = dict(zip(axes, array.shape, strict=True))
    if counts.get("t", 1) != 1 or counts.get("z", 1) != 1:
        raise Refused(f"a stack of {counts.get('t', 1)} times and {counts.get('z', 1)} depths")
    if counts.get("c", 1) not in (1, 3):
        raise Refused(f"{counts['c']} channels")
