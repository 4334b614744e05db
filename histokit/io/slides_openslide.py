"""Slides read with OpenSlide: the formats of the scanners' makers."""

from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np
import openslide

from histokit.io.slides import Level, Pixels, Slide, damaged, over_white, plausible

SEARCH = 16
"""Columns or rows before a part in which a starting point is looked for; see `_start`."""


@final
class OpenSlideSlide(Slide):
    """A slide that OpenSlide opens. Raises what OpenSlide raises.

    Coordinates are those of OpenSlide: of the whole canvas, with parts that were not scanned.
    """

    backend = "openslide"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slide = openslide.OpenSlide(str(path))
        self.levels = tuple(Level(width, height) for width, height in self._slide.level_dimensions)
        properties = self._slide.properties
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
        except openslide.OpenSlideError as error:
            raise damaged(self.path, f"at ({x}, {y}) of level {level}", error) from error
        return over_white(np.asarray(picture)[y - top :, x - left :])

    def close(self) -> None:
        """See `Slide.close`."""
        self._slide.close()


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
