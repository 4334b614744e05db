"""Outlines of the objects of an id map along pixel edges, and back to pixels.

Points are (x, y) in corner convention: pixel (row 0, column 0) covers 0..1 in x and in y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import measure

Ids = NDArray[np.int32]
Indices = NDArray[np.int64]
Point = tuple[float, float]
Corner = tuple[int, int]
Ring = list[Corner]
Part = list[Ring]
"""An outer ring and then its holes."""

label: Callable[..., Indices] = measure.label  # scikit-image names no types
TOP, _, BOTTOM, LEFT = range(4)
"""Sides of a pixel in the order of a walk around it."""


@dataclass(frozen=True, slots=True)
class _Edges:
    """The pixel edges between an object and anything else, walked with the object on the right.

    Attributes:
        codes: 4 x flat pixel + side, ascending.
        following: position of the edge that each edge is followed by. Where two pixels of one
            object meet only by their corners, the walk stays with its pixel.
        diagonal: whether an edge ends in such a corner.
        width: of the map that the flat pixels count in, a frame of one pixel included.
    """

    codes: Indices
    following: Indices
    diagonal: NDArray[np.bool_]
    width: int


def trace(ids: NDArray[np.integer[Any]]) -> dict[int, list[Part]]:
    """The exact outline of each object of an id map [H W], by its id in ascending order.

    A part is one set of pixels that hang together by their edges: its outer ring, then the rings
    of its holes. Rings hold whole-number corners only, are not closed (the first point is not
    repeated), pass no point twice, and run so that the shoelace sum in (x, y) is positive for an
    outer ring and negative for a hole. Parts are in raster order.
    """
    padded = np.pad(ids, 1)
    pieces = label(padded, connectivity=1, background=0)
    edges = _edges(padded)
    order, lengths = _walks(edges.following.tolist())
    first = edges.codes[order[np.cumsum(lengths) - lengths]]
    outlines: dict[int, Part] = {}
    rings = _rings(edges, order, lengths, (first & 3) == TOP)
    for piece, loops in zip(pieces.ravel()[first >> 2].tolist(), rings, strict=True):
        part = outlines.setdefault(piece, [])
        for loop, outer in loops:
            part.insert(0 if outer else len(part), loop)
    return _by_id(outlines, padded, pieces)


def _by_id(
    outlines: dict[int, Part], ids: NDArray[np.integer[Any]], pieces: NDArray[np.integer[Any]]
) -> dict[int, list[Part]]:
    """The parts of each id. `outlines` counts pieces from 1 in raster order."""
    owner = np.zeros(int(pieces.max(initial=0)) + 1, np.int64)
    owner[pieces.ravel()] = ids.ravel()
    parts: dict[int, list[Part]] = {int(key): [] for key in np.unique(owner[1:])}
    for piece, key in enumerate(owner[1:].tolist(), start=1):
        parts[key].append(outlines[piece])
    return parts


def _edges(ids: NDArray[np.integer[Any]]) -> _Edges:
    """The edges of an id map [H W] that has a frame of background."""
    flat, width = ids.ravel(), ids.shape[1]
    outward = np.array([-width, 1, width, -1])
    ahead = np.array([1, width, -1, -width])
    border = np.zeros((flat.size, 4), bool)
    inside = np.flatnonzero(flat)
    border[inside] = flat[inside, None] != flat[inside[:, None] + outward]
    codes = np.flatnonzero(border)
    pixel, side = codes >> 2, codes & 3
    front = pixel + ahead[side]
    corner = front + outward[side]
    straight, meets = flat[front] == flat[pixel], flat[corner] == flat[pixel]
    right = pixel * 4 + (side + 1) % 4
    left = corner * 4 + (side - 1) % 4
    code = np.where(straight, np.where(meets, left, front * 4 + side), right)
    return _Edges(codes, np.searchsorted(codes, code), ~straight & meets, width)


def _walks(following: list[int]) -> tuple[Indices, Indices]:
    """All edges walk by walk, each walk from its first edge on, and the lengths of the walks."""
    seen = bytearray(len(following))
    order: list[int] = []
    lengths: list[int] = []
    for start, edge in enumerate(following):
        if seen[start]:
            continue
        before = len(order)
        order.append(start)
        while edge != start:
            seen[edge] = 1
            order.append(edge)
            edge = following[edge]
        lengths.append(len(order) - before)
    return np.array(order, np.int64), np.array(lengths, np.int64)


def _rings(
    edges: _Edges, order: Indices, lengths: Indices, outer: NDArray[np.bool_]
) -> Iterator[list[tuple[Ring, bool]]]:
    """The simple rings of each walk, with whether they are outer ones.

    A walk that starts at the upper side of a pixel goes around an object (`outer`), one that
    starts at a lower side around a hole.
    """
    walk = np.repeat(np.arange(lengths.size), lengths)
    side = edges.codes & 3
    turning = side[order] != side[edges.following[order]]
    touching = np.bincount(walk, weights=edges.diagonal[order], minlength=lengths.size) > 0
    points = _corners(edges.codes[order[turning]], edges.width)
    ends = np.cumsum(np.bincount(walk[turning], minlength=lengths.size)).tolist()
    begin = 0
    for end, split, around in zip(ends, touching.tolist(), outer.tolist(), strict=True):
        ring: Ring = points[begin:end]
        begin = end
        loops = _simple(ring) if split else [ring]
        yield [(loop, shoelace(loop) > 0 if split else around) for loop in loops]


def _corners(codes: Indices, width: int) -> list[Corner]:
    """The points (x, y) at which edges end, without the frame."""
    row, col = np.divmod(codes >> 2, width)
    side = codes & 3
    x = col - (side >= BOTTOM)
    y = row - ((side == TOP) | (side == LEFT))
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _simple(ring: Ring) -> Iterator[Ring]:
    """The rings that a ring falls into where it passes a point twice."""
    path: Ring = []
    place: dict[Corner, int] = {}
    for point in ring:
        if point in place:
            begin = place[point]
            yield path[begin:]
            for dropped in path[begin + 1 :]:
                del place[dropped]
            del path[begin + 1 :]
        else:
            place[point] = len(path)
            path.append(point)
    yield path


def shoelace(ring: Sequence[Point]) -> float:
    """The signed area of a ring, positive where x turns to y."""
    pairs = zip(ring, chain(ring[1:], ring[:1]), strict=True)
    return sum(x * v - u * y for (x, y), (u, v) in pairs) / 2


def rasterise(
    objects: Iterable[tuple[int, Iterable[Sequence[Point]]]], shape: tuple[int, int]
) -> Ids:
    """The id map of objects given by all of their rings, closed or not.

    A pixel belongs to an object when its centre lies within an odd number of its rings; where
    objects overlap, the first keeps the pixel. What lies outside of the map is cut off.
    """
    ids = np.zeros(shape, np.int32)
    keys: list[int] = []
    rings: list[tuple[int, NDArray[np.float64]]] = []
    for place, (key, outline) in enumerate(objects):
        keys.append(key)
        rings += [(place, np.asarray(ring, np.float64).reshape(-1, 2)) for ring in outline]
    if rings:
        owner = np.repeat([place for place, _ in rings], [len(ring) for _, ring in rings])
        begin = np.concatenate([ring for _, ring in rings])
        end = np.concatenate([np.roll(ring, -1, axis=0) for _, ring in rings])
        pixels, places = _filled(owner, begin, end, shape)
        ids.ravel()[pixels[::-1]] = np.array(keys, np.int32)[places[::-1]]
    return ids


def _filled(
    owner: Indices, begin: NDArray[np.float64], end: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[Indices, Indices]:
    """The flat pixels within the outlines and the owner of each, in order of the owners."""
    height, width = shape
    low = np.minimum(begin[:, 1], end[:, 1])
    high = np.maximum(begin[:, 1], end[:, 1])
    top, bottom = _centres(low, height), _centres(high, height)
    edge, row = _spread(top, bottom)
    run, rise = (end - begin)[edge].T
    x = begin[edge, 0] + (row + 0.5 - begin[edge, 1]) * run / rise
    order = np.lexsort((x, row, owner[edge]))
    x, row, owner = x[order], row[order], owner[edge][order]
    span, column = _spread(_centres(x[0::2], width), _centres(x[1::2], width))
    return row[0::2][span] * width + column, owner[0::2][span]


def _centres(position: NDArray[np.float64], size: int) -> Indices:
    """The first of `size` pixels whose centre is not before each position."""
    return np.clip(np.ceil(position - 0.5), 0, size).astype(np.int64)


def _spread(start: Indices, stop: Indices) -> tuple[Indices, Indices]:
    """Every whole number of each half-open range, with the range it belongs to."""
    length = stop - start
    which = np.repeat(np.arange(length.size), length)
    return which, np.arange(which.size) + (start - (np.cumsum(length) - length))[which]
