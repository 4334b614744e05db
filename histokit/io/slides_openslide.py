"""Slides read with OpenSlide: the formats of the scanners' makers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
import openslide
import tifffile

from histokit.io.limits import MAX_TILE
from histokit.io.slides import Level, Pixels, Slide, damaged, over_white, plausible, too_large
from histokit.io.slides_tiff import all_pages

SEARCH = 16
"""Columns or rows before a part in which a starting point is looked for; see `_start`."""
SIDES = ("width", "height")
RGBA = 4
"""Bytes of a pixel that OpenSlide decodes."""


@final
class OpenSlideSlide(Slide):
    """A slide that OpenSlide opens. Raises what OpenSlide raises, DataError where its tiles are
    too large.

    Coordinates are those of OpenSlide: of the whole canvas, with parts that were not scanned.
    """

    backend = "openslide"

    def __init__(self, path: Path) -> None:
        _check_parts(path)
        self.path = path
        self._slide = openslide.OpenSlide(str(path))
        self.levels = tuple(Level(width, height) for width, height in self._slide.level_dimensions)
        properties = self._slide.properties
        _check_tiles(path, len(self.levels), properties)
        sizes = [_number(properties.get(f"openslide.mpp-{axis}")) for axis in "xy"]
        x, y = sizes[0] or sizes[1], sizes[1] or sizes[0]
        self.mpp = plausible((x, y) if x and y else None)
        self.power = _number(properties.get("openslide.objective-power"))

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """See `Slide.region`."""
        factor = self._slide.level_downsamples[level]
        left, top = _start(x, factor), _start(y, factor)
        place = round(left * factor), round(top * factor)
        size = width + x - left, height + y - top
        try:
            picture = self._slide.read_region(place, level, size)
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            raise damaged(self.path, f"at ({x}, {y}) of level {level}", error) from error
        return over_white(np.asarray(picture)[y - top :, x - left :])

    def _close(self) -> None:
        self._slide.close()


def _check_parts(path: Path) -> None:
    """Refuses a TIFF with a tile or strip that is larger than the file: OpenSlide would take that
    much memory for it, and end the process where there is not so much.
    """
    try:
        with tifffile.TiffFile(path) as file:
            most = max(max(map(int, page.databytecounts), default=0) for page in all_pages(file))
    except tifffile.TiffFileError:  # it is of another format
        return
    size = path.stat().st_size
    if most > size:
        raise too_large(path, f"tiles or strips within its {size} bytes", f"one of {most} bytes")


def _check_tiles(path: Path, levels: int, properties: Mapping[str, str]) -> None:
    """Refuses tiles that would fill the memory: where there is not so much, OpenSlide ends the
    process.
    """
    for level in range(levels):
        sides = [properties.get(f"openslide.level[{level}].tile-{side}") for side in SIDES]
        width, height = (_number(side) or 0 for side in sides)
        if width * height * RGBA > MAX_TILE:
            found = f"one of {width:.0f}x{height:.0f} pixels"
            raise too_large(path, f"tiles of at most {MAX_TILE} bytes", found)


def _start(first: int, factor: float) -> int:
    """The pixel of a level, at most `SEARCH` before `first`, that lies nearest to a pixel of
    level 0: OpenSlide takes whole pixels of level 0, and blurs where they fall between those of
    the level.
    """

    def error(pixel: int) -> float:
        return abs(round(pixel * factor) / factor - pixel)

    return min(range(first, max(first - SEARCH, -1), -1), key=error)


def _number(text: str | None) -> float | None:
    """The number of a property, None where it is none."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if value > 0 and np.isfinite(value) else None
