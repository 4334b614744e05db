"""Whole slides: pyramids of levels that are read piece by piece, at any pixel size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histokit.errors import DataError
from histokit.io.patience import NoAnswer, answered

Pixels = NDArray[np.uint8]
AT_ONCE = 2**24
"""Pixels of a level that are resampled at once; see `View.read`."""
SMALLEST_MPP, LARGEST_MPP = 0.05, 20.0
"""Micrometres a pixel that a microscope of light can have; anything else in a file is a default
of some writer, such as 72 dots an inch."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid, in its own pixels."""

    width: int
    height: int


class Slide(ABC):
    """An open slide; use it in a `with` statement, or close it. Threads may share it.

    Attributes:
        path: of the file.
        levels: the pyramid, from the full size (level 0) down.
        mpp: micrometres a pixel of level 0 along (x, y); None where the file does not say.
        power: magnification that the file names, None where it names none. It is told to the
            user and never turned into a pixel size.
        backend: the library that reads it.
    """

    path: Path
    levels: Sequence[Level]
    mpp: tuple[float, float] | None
    power: float | None
    backend: str
    _left: bool = False
    """Whether a thread was left behind that may still be reading."""

    @property
    def width(self) -> int:
        """Columns of level 0."""
        return self.levels[0].width

    @property
    def height(self) -> int:
        """Rows of level 0."""
        return self.levels[0].height

    @abstractmethod
    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """A part of a level, uint8 [height width 3] RGB, with what was not scanned in white.

        Args:
            level: number of the level.
            x: first column, in pixels of the level.
            y: first row, in pixels of the level.
            width: columns; the part lies inside the level.
            height: rows.

        Raises DataError, naming the slide, where it is damaged.
        """

    def close(self) -> None:
        """Lets go of the file, unless it did not answer: it may still be read, and what closes it
        would wait for that or crash.
        """
        if not self._left:
            self._close()

    @abstractmethod
    def _close(self) -> None:
        """Lets go of the file."""

    def patient(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """What `region` gives, or NoAnswer where the file does not answer; see `answered`. It is
        worth its tenth of a millisecond for parts that are larger than a tile.
        """
        try:
            return answered(self.path, lambda: self.region(level, x, y, width, height))
        except NoAnswer:
            self._left = True
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def downsample(self, level: int) -> float:
        """How many times smaller a level is than level 0, the mean of both axes."""
        small = self.levels[level]
        return (self.width / small.width + self.height / small.height) / 2

    def thumbnail(self, longest: int) -> Pixels:
        """The whole slide, uint8 [H W 3], its longest side at most `longest` pixels, and at least
        half as many where the slide has them.

        A level of such a size is taken as it is.
        """
        for number, level in enumerate(self.levels):
            if longest / 2 <= max(level.width, level.height) <= longest:
                return self.patient(number, 0, 0, level.width, level.height)
        factor = max(self.width, self.height, longest) / longest
        size = max(1, round(self.width / factor)), max(1, round(self.height / factor))
        view = View(self, self._finest_for(factor), *size)
        return view.read(0, 0, view.width, view.height)

    def _finest_for(self, factor: float) -> int:
        """The smallest level that still has a pixel for each of the slide shrunk by `factor`."""
        enough = [n for n in range(len(self.levels)) if self.downsample(n) <= factor * 1.01]
        return max(enough, key=self.downsample, default=0)

    def view(self, factor: float | tuple[float, float], same: float = 0.0) -> View:
        """The slide with (x, y) sides divided by `factor`.

        Args:
            factor: of both axes, or along (x, y).
            same: relative difference of sizes at which a level is taken as it is.
        """
        fx, fy = factor if isinstance(factor, tuple) else (factor, factor)
        near = [n for n in range(len(self.levels)) if self._is_near(n, fx, fy, same)]
        if near:
            best = min(near, key=lambda n: abs(math.log(self.downsample(n) * 2 / (fx + fy))))
            return View(self, best, self.levels[best].width, self.levels[best].height)
        size = max(1, round(self.width / fx)), max(1, round(self.height / fy))
        return View(self, self._finest_for(min(fx, fy)), *size)

    def _is_near(self, level: int, fx: float, fy: float, same: float) -> bool:
        small = self.levels[level]
        off = self.width / small.width / fx, self.height / small.height / fy
        return all(abs(ratio - 1) <= same for ratio in off)


@dataclass(frozen=True, slots=True)
class View:
    """A slide at one size, as if it were one image; pieces of it are read, never the whole.

    Attributes:
        slide: the slide.
        level: the level that pixels come from.
        width, height: of the view.
    """

    slide: Slide
    level: int
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of level 0 a pixel of the view, along (x, y)."""
        return self.slide.width / self.width, self.slide.height / self.height

    @property
    def resampled(self) -> bool:
        """Whether pixels are interpolated; False where a level is taken as it is."""
        source = self.slide.levels[self.level]
        return (source.width, source.height) != (self.width, self.height)

    def read(self, x: int, y: int, width: int, height: int) -> Pixels:
        """A part of the view, uint8 [height width 3]; it lies inside the view.

        Interpolated pixels are averages under a triangle as wide as a pixel of the view, placed
        to a fraction of a pixel of the level: parts that are read apart fit as if they had been
        cut from the whole view. Memory stays small however far the level is shrunk, as large parts
        are read in halves. Raises DataError for a part outside of the view.
        """
        if x < 0 or y < 0 or x + width > self.width or y + height > self.height:
            raise DataError(
                f"a part outside of {self.slide.path} was asked for",
                expected=f"within {self.width} x {self.height} pixels",
                found=f"{width} x {height} at ({x}, {y})",
            )
        if not self.resampled:
            return self.slide.patient(self.level, x, y, width, height)
        source = self.slide.levels[self.level]
        ratio = source.width * source.height / (self.width * self.height)
        if width * height * ratio > AT_ONCE and max(width, height) > 1:
            return self._in_halves(x, y, width, height)
        left, right, x0, x1 = _span(x, width, source.width, self.width)
        top, bottom, y0, y1 = _span(y, height, source.height, self.height)
        pixels = self.slide.patient(self.level, left, top, right - left, bottom - top)
        box = (x0 - left, y0 - top, x1 - left, y1 - top)
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box)
        return np.asarray(resized)

    def _in_halves(self, x: int, y: int, width: int, height: int) -> Pixels:
        """A part that is put together from two, cut across its longer side."""
        half = max(width, height) // 2
        if width > height:
            sides = self.read(x, y, half, height), self.read(x + half, y, width - half, height)
            return np.concatenate(sides, axis=1)
        ends = self.read(x, y, width, half), self.read(x, y + half, width, height - half)
        return np.concatenate(ends)


def _span(start: int, count: int, source: int, size: int) -> tuple[int, int, float, float]:
    """The whole pixels of a level that some pixels of a view are made of, and where these lie.

    `source` and `size` are those of the level and of the view along one axis.
    """
    ratio = source / size
    low, high = start * ratio, (start + count) * ratio
    reach = math.ceil(max(ratio, 1.0)) + 1
    first, last = max(0, math.floor(low) - reach), min(source, math.ceil(high) + reach)
    return first, last, low, min(high, source)


def plausible(mpp: tuple[float, float] | None) -> tuple[float, float] | None:
    """A pixel size along (x, y), or None where no light microscope has it."""
    if mpp is None or not all(SMALLEST_MPP <= value <= LARGEST_MPP for value in mpp):
        return None
    return mpp


def over_white(rgba: Pixels) -> Pixels:
    """RGB [H W 3] of pixels [H W 4] with straight alpha, laid over white."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    laid = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((laid + 127) // 255).astype(np.uint8)


def too_large(path: Path, expected: str, found: str) -> DataError:
    """What is raised where a slide says of itself what would fill the memory."""
    return DataError(
        f"{path} is too large to be read",
        expected=expected,
        found=found,
        hint="copy the slide again from its source, as it may be damaged, or convert it to a "
        "pyramidal TIFF with tiles of 512 pixels",
    )


def damaged(path: Path, where: str, error: BaseException) -> DataError:
    """What is raised where a part of a slide cannot be decoded."""
    return DataError(
        f"cannot read {path} {where}",
        expected="a sound slide",
        found=f"{type(error).__name__}: {error}",
        hint="copy the slide again from its source; this copy is damaged",
    )
