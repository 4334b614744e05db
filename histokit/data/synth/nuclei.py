"""Nuclei: their outlines, and how they are put into a field without hiding each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histokit.data.synth.domains import MPP, Population
from histokit.data.synth.layout import Layout, slope
from histokit.data.synth.noise import Plane, band_noise

MOST_HIDDEN = 0.25
SMALLEST = 20
_ATTEMPTS = 4
_TINY = np.float32(1e-6)
_EIGHT = np.ones((3, 3), dtype=int)

Window = tuple[slice, slice]
Ids = NDArray[np.int32]
Waves = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Nucleus:
    """One nucleus; lengths in pixels.

    Attributes:
        row: centre.
        col: centre.
        half: half length and half width.
        angle: direction of the long axis, radians.
        waves: amplitude and phase of the outline's harmonics 2, 3, 4.
        bend: how far the ends bow, relative to the half width.
        dye: haematoxylin (optical density) of its chromatin.
        vesicular: 0 dense, 1 pale with a rim and a nucleolus.
        soft: half width of its edge; larger for one that is out of focus.
    """

    row: float
    col: float
    half: tuple[float, float]
    angle: float
    waves: Waves
    bend: float
    dye: float
    vesicular: float
    soft: float

    @property
    def reach(self) -> int:
        """Pixels from the centre to the edge of a window that surely holds it."""
        return int(max(self.half) * 1.45 + 4)


def window(row: float, col: float, reach: int, size: int) -> Window:
    """The part of a field [size size] within `reach` pixels of a place."""
    top, left = max(int(row) - reach, 0), max(int(col) - reach, 0)
    return (
        slice(top, max(min(int(row) + reach + 1, size), top)),
        slice(left, max(min(int(col) + reach + 1, size), left)),
    )


def outline(nucleus: Nucleus, where: Window) -> Plane:
    """How far each pixel of a window lies from the centre, the outline being at 1."""
    rows = np.arange(where[0].start, where[0].stop, dtype=np.float32)[:, None] - nucleus.row
    cols = np.arange(where[1].start, where[1].stop, dtype=np.float32)[None, :] - nucleus.col
    cos, sin = math.cos(nucleus.angle), math.sin(nucleus.angle)
    u: Plane = np.asarray((cols * cos + rows * sin) / nucleus.half[0], dtype=np.float32)
    v: Plane = np.asarray((rows * cos - cols * sin) / nucleus.half[1], dtype=np.float32)
    if nucleus.bend:
        v += nucleus.bend * (u * u - 0.3)
    far: Plane = np.hypot(u, v)
    return far / _edge(u / (far + _TINY), v / (far + _TINY), nucleus.waves)


def _edge(cos: Plane, sin: Plane, waves: Waves) -> Plane:
    """Radius of the outline in a direction: 1 plus harmonics 2, 3 and 4."""
    cosines, sines = cos * cos - sin * sin, 2 * sin * cos
    edge = np.ones_like(cos)
    for amplitude, phase in waves:
        edge += (amplitude * math.cos(phase)) * cosines - (amplitude * math.sin(phase)) * sines
        cosines, sines = cosines * cos - sines * sin, sines * cos + cosines * sin
    return edge


class Field:
    """Nuclei painted one over the other, with what each has lost so far.

    Attributes:
        ids: int32 [H W]; nucleus i has id i + 1, the later one lies on top.
        nuclei: in the order of painting.
        whole: pixels of each when it was painted.
        seen: pixels of each still visible.
    """

    def __init__(self, size: int) -> None:
        self.ids: Ids = np.zeros((size, size), dtype=np.int32)
        self.nuclei: list[Nucleus] = []
        self.whole: list[int] = []
        self.seen: list[int] = []

    def add(self, nucleus: Nucleus, overlap: float) -> bool:
        """Paints a nucleus, unless an earlier one would lose too much or its centre.

        Args:
            nucleus: the newcomer.
            overlap: the share of an earlier nucleus that it may cover; in sum none loses more
                than `MOST_HIDDEN`.
        """
        if self.ids[int(nucleus.row), int(nucleus.col)]:
            return False
        where = window(nucleus.row, nucleus.col, nucleus.reach, self.ids.shape[0])
        inside = outline(nucleus, where) < 1
        area = int(inside.sum())
        lost = np.bincount(self.ids[where][inside], minlength=1)
        hits = [hit - 1 for hit in np.flatnonzero(lost).tolist() if hit]
        for hit in hits:
            gone, whole = int(lost[hit + 1]), self.whole[hit]
            hidden = whole - self.seen[hit] + gone
            if gone > min(overlap * whole, 0.3 * area) or hidden > MOST_HIDDEN * whole:
                return False
        for hit in hits:
            self.seen[hit] -= int(lost[hit + 1])
        self.nuclei.append(nucleus)
        self.ids[where][inside] = len(self.nuclei)
        self.whole.append(area)
        self.seen.append(area)
        return True


def place(
    rng: np.random.Generator, layout: Layout, populations: Sequence[Population], scale: float
) -> Field:
    """Fills a field with nuclei, kind after kind; `scale` is a factor on all lengths."""
    field = Field(layout.size)
    for kind in populations:
        spots, wanted = _spots(rng, layout, kind)
        for row, col in spots.tolist():
            if wanted == 0:
                break
            wanted -= field.add(_draw(rng, layout, kind, row, col, scale), kind.overlap)
    return field


def tidy(ids: Ids) -> Ids:
    """Ids 1..N without gaps, each the largest 8-connected piece of at least `SMALLEST` pixels."""
    result = np.zeros_like(ids)
    count = 0
    for index, where in enumerate(ndimage.find_objects(ids), start=1):
        if where is None:
            continue
        pieces, number = ndimage.label(ids[where] == index, structure=_EIGHT)
        sizes = np.bincount(pieces.ravel(), minlength=number + 1)[1:]
        if sizes.max() < SMALLEST:
            continue
        count += 1
        result[where][pieces == sizes.argmax() + 1] = count
    return result


def _spots(
    rng: np.random.Generator, layout: Layout, kind: Population
) -> tuple[NDArray[np.int64], int]:
    free = layout.belt(kind.depth)
    if kind.clumped:
        free &= band_noise(rng, layout.size, 5 / MPP) > 0.1
    candidates = np.flatnonzero(free)
    wanted = int(rng.poisson(kind.density * candidates.size * MPP**2 / 1000))
    if not candidates.size:
        return np.zeros((0, 2), dtype=np.int64), 0
    chosen = rng.choice(candidates, wanted * _ATTEMPTS)
    return np.stack(np.unravel_index(chosen, free.shape), axis=1), wanted


def _draw(
    rng: np.random.Generator, layout: Layout, kind: Population, row: int, col: int, scale: float
) -> Nucleus:
    size = np.exp(rng.normal(0, kind.spread, 2)) * scale / (2 * MPP)
    lobed = rng.random() < kind.lobed
    swing = 0.12 if lobed else kind.wobble
    vesicular = rng.beta(5, 2) if rng.random() < kind.vesicular else 0.35 * rng.beta(2, 4)
    slim = kind.length > 2 * kind.width
    return Nucleus(
        row=float(row),
        col=float(col),
        half=(float(kind.length * size[0]), float(kind.width * size[1])),
        angle=_heading(rng, layout, kind, row, col),
        waves=waves(rng, swing),
        bend=float(rng.normal(0, 0.35)) if slim else 0.0,
        dye=float(kind.dye * np.exp(rng.normal(0, kind.uneven))),
        vesicular=float(vesicular),
        soft=float(0.7 + 2.2 * rng.beta(1, 4)),
    )


def waves(rng: np.random.Generator, swing: float) -> Waves:
    """Random harmonics of an outline, the first of amplitude up to `swing`, the others smaller."""
    sizes = swing * np.array([1.0, 0.8, 0.5]) * rng.uniform(0.4, 1, 3)
    return tuple(zip(sizes.tolist(), rng.uniform(0, 2 * np.pi, 3).tolist(), strict=True))


def _heading(
    rng: np.random.Generator, layout: Layout, kind: Population, row: int, col: int
) -> float:
    if kind.heading == "free":
        return float(rng.uniform(0, np.pi))
    if kind.heading == "normal":
        return slope(layout.depth, row, col) + float(rng.normal(0, 0.2))
    return slope(layout.flow, row, col) + np.pi / 2 + float(rng.normal(0, 0.18))
