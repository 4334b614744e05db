"""Outlines of the objects of an id map along pixel edges, and back to pixels.

Points are (x, y) in corner convention: pixel (row 0, column 0) covers 0..1 in x and in y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
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
_Loops = list[tuple[int, Ring, bool]]
"""Rings of one object, each with a pixel that its edges begin at and whether it is an outer one."""
Positions = NDArray[np.int32]
"""Places among the edges, of which an image that is read whole has fewer than 2**31."""

label: Callable[..., Indices] = measure.label  # scikit-image names no types
TOP, _, BOTTOM, LEFT = range(4)
"""Sides of a pixel in the order of a walk around it."""
_BITS = np.arange(16)[:, None] >> np.arange(4) & 1
SIDES = _BITS.sum(1)
"""How many sides a set of them has; a bit each."""
RANK = np.cumsum(_BITS, 1) - _BITS
"""How many sides of a set come before a side."""
ORDER = np.argsort(1 - _BITS, 1, kind="stable")
"""The sides of a set in their order."""


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
    """What `outlines` gives, by id."""
    return dict(outlines(ids))


def outlines(ids: NDArray[np.integer[Any]]) -> Iterator[tuple[int, list[Part]]]:
    """The exact outline of each object of an id map [H W], with its id, in ascending order.

    A part is one set of pixels that hang together by their edges: its outer ring, then the rings
    of its holes. Rings hold whole-number corners only, are not closed (the first point is not
    repeated), pass no point twice, and run so that the shoelace sum in (x, y) is positive for an
    outer ring and negative for a hole. Parts are in raster order.
    """
    padded = np.pad(ids, 1)
    edges = _edges(padded)
    order, lengths = _walks(edges.following)
    first = edges.codes[order[np.cumsum(lengths) - lengths]]
    owners = padded.ravel()[first >> 2]
    turns = np.argsort(owners, kind="stable")
    rings = _rings(edges, order, lengths, (first & 3) == TOP, turns)
    found = zip(owners[turns].tolist(), (first[turns] >> 2).tolist(), rings, strict=True)
    for key, walks in groupby(found, itemgetter(0)):
        loops = [(pixel, loop, outer) for _, pixel, some in walks for loop, outer in some]
        yield key, _parts(key, loops, padded)


def _parts(key: int, loops: _Loops, padded: NDArray[np.integer[Any]]) -> list[Part]:
    """The parts of an object, of its rings in raster order."""
    if all(outer for _, _, outer in loops):
        return [[ring] for _, ring, _ in loops]
    rows, columns = _box([ring for _, ring, _ in loops])
    pieces = label(padded[rows, columns] == key, connectivity=1, background=0)
    parts: dict[int, Part] = {}
    for pixel, ring, outer in loops:
        row, column = divmod(pixel, padded.shape[1])
        part = parts.setdefault(int(pieces[row - rows.start, column - columns.start]), [])
        part.insert(0 if outer else len(part), ring)
    return [parts[piece] for piece in sorted(parts)]


def _box(rings: list[Ring]) -> tuple[slice, slice]:
    """The rows and columns, in a map with a frame, that rings without one lie in."""
    xs, ys = zip(*chain.from_iterable(rings), strict=True)
    return slice(min(ys) + 1, max(ys) + 1), slice(min(xs) + 1, max(xs) + 1)


def _edges(ids: NDArray[np.integer[Any]]) -> _Edges:
    """The edges of an id map [H W] that has a frame of background."""
    flat, width = ids.ravel(), ids.shape[1]
    outward = np.array([-width, 1, width, -1])
    ahead = np.array([1, width, -1, -width])
    open_sides = _open_sides(ids).ravel()
    border = np.flatnonzero(open_sides)
    counts = SIDES[open_sides[border]]
    begin = np.empty(flat.size, np.int32)  # of each border pixel's edges; quicker than a search
    begin[border] = np.cumsum(counts) - counts
    pixel = np.repeat(border, counts)
    side = ORDER[np.repeat(open_sides[border], counts), np.arange(pixel.size) - begin[pixel]]
    front = pixel + ahead[side]
    corner = front + outward[side]
    own = flat[pixel]
    straight, meets = flat[front] == own, flat[corner] == own
    on = np.where(straight, np.where(meets, corner, front), pixel)
    turn = np.where(straight, np.where(meets, 3, 0), 1)
    following = begin[on] + RANK[open_sides[on], (side + turn) & 3]
    return _Edges(pixel * 4 + side, following, ~straight & meets, width)


def _open_sides(ids: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Which sides of each pixel [H W] of an object are edges, a bit each."""
    found = np.zeros(ids.shape, np.uint8)
    middle, inner = ids[1:-1, 1:-1], found[1:-1, 1:-1]
    around = (ids[:-2, 1:-1], ids[1:-1, 2:], ids[2:, 1:-1], ids[1:-1, :-2])
    for side, neighbour in enumerate(around):
        inner |= (middle != neighbour).view(np.uint8) << side
    inner *= middle != 0
    return found


def _walks(following: Indices) -> tuple[Positions, Indices]:
    """All edges walk by walk, each walk from its first edge on, and the lengths of the walks.

    All walks are followed at once, with steps that double each time.
    """
    count = np.arange(following.size, dtype=np.int32)
    first, ahead = count, following
    while not np.array_equal(first, further := np.minimum(first, first.take(ahead))):
        first, ahead = further, ahead.take(ahead)
    last = following == first
    left, ahead = (~last).astype(np.int32), np.where(last, count, following)
    while (more := left.take(ahead)).any():
        left, ahead = left + more, ahead.take(ahead)
    starts = np.flatnonzero(first == count)
    lengths = left[starts] + 1
    ends = np.zeros(following.size, np.int64)
    ends[starts] = np.cumsum(lengths)
    order = np.empty_like(count)
    order[ends[first] - 1 - left] = count
    return order, lengths.astype(np.int64)


def _rings(
    edges: _Edges,
    order: Positions,
    lengths: Indices,
    outer: NDArray[np.bool_],
    turns: Indices,
) -> Iterator[list[tuple[Ring, bool]]]:
    """The simple rings of each walk, with whether they are outer ones; walks come as `turns` says.

    A walk that starts at the upper side of a pixel goes around an object (`outer`), one that
    starts at a lower side around a hole.
    """
    walk = np.repeat(np.arange(lengths.size), lengths)
    side = edges.codes & 3
    turning = side[order] != side[edges.following[order]]
    touching = np.bincount(walk, weights=edges.diagonal[order], minlength=lengths.size) > 0
    xs, ys = _corners(edges.codes[order[turning]], edges.width)
    counts = np.bincount(walk[turning], minlength=lengths.size)
    ends = np.cumsum(counts)
    of_walk = (ends - counts, ends, touching, outer)
    for begin, end, split, around in zip(*(part[turns].tolist() for part in of_walk), strict=True):
        ring: Ring = list(zip(xs[begin:end].tolist(), ys[begin:end].tolist(), strict=True))
        loops = _simple(ring) if split else [ring]
        yield [(loop, shoelace(loop) > 0 if split else around) for loop in loops]


def _corners(codes: Indices, width: int) -> tuple[Indices, Indices]:
    """X and y of the points at which edges end, without the frame."""
    row, col = np.divmod(codes >> 2, width)
    side = codes & 3
    return col - (side >= BOTTOM), row - ((side == TOP) | (side == LEFT))


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
