"""Objects as the JSON that HoVer-Net writes: boxes, centroids and outlines by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.io.json_stream import json_stream, json_text
from histokit.io.rings import Part, Ring, shoelace, trace

FEWEST = 3
"""Points of an outline that other readers want at least."""


def nuclei_file(
    path: Path, about: Mapping[str, Any], mag: float | None = None
) -> AbstractContextManager[Callable[[str], None]]:
    """A function that adds the text of a nucleus to a file; see `json_stream`.

    Args:
        path: of the file.
        about: further members of the file beside ``mag`` and ``nuc``, which HoVer-Net lacks.
        mag: magnification of the pixels that coordinates count in, where a slide names it.
    """
    members = json_text({"mag": mag, **about})[:-1]
    return json_stream(path, members + ',"nuc":{', "}}")


def nuclei(
    instances: Instances,
    origin: tuple[float, float],
    scale: tuple[float, float],
    class_names: Sequence[str],
    *,
    before: int = 0,
) -> Iterator[str]:
    """The text of each object, in ascending order of the ids.

    ``contour`` holds (x, y) of the centres of pixels, pixel (0, 0) being at 0, around the largest
    part of the object; so does ``centroid``. ``bbox`` is in (row, column), its end outside; the
    published code adds the place of a tile in (x, y) to it, which is wrong. An outline of fewer
    than 3 points repeats its last one, where HoVer-Net drops the nucleus. The score is in
    ``type_prob``.

    Args:
        instances: the objects.
        origin: (x, y) of the map's corner in pixels of the file.
        scale: pixels of the file a pixel of the map, along (x, y).
        class_names: of the classes 1, 2, …; an object without a class takes the first.
        before: is added to the ids.

    Raises DataError for a score that is no number.
    """
    ids = instances.ids
    middles = _middles(ids)
    boxes = ndimage.find_objects(ids)
    for key, parts in trace(ids).items():
        rows, cols = boxes[key - 1]
        y, x = middles[key]
        kind = instances.classes.get(key, 1 if class_names else None)
        value = {
            "bbox": [
                _placed(cols.start, rows.start, origin, scale)[::-1],
                _placed(cols.stop, rows.stop, origin, scale)[::-1],
            ],
            "centroid": [
                round(origin[0] + scale[0] * x - 0.5, 2),
                round(origin[1] + scale[1] * y - 0.5, 2),
            ],
            "contour": _contour(parts, origin, scale),
            "type_prob": _score(key, instances.scores.get(key)),
            "type": kind,
        }
        yield f'"{key + before}":{json_text(value)}'


def _middles(ids: Any) -> Any:
    """The mean corner coordinates (row, column) of each id's pixels, [n + 1 2]."""
    count = int(ids.max(initial=0)) + 1
    flat = np.flatnonzero(ids)
    keys, places = ids.ravel()[flat], np.divmod(flat, ids.shape[1])
    areas = np.maximum(np.bincount(keys, minlength=count), 1)
    return np.stack([np.bincount(keys, line, count) / areas + 0.5 for line in places], 1).tolist()


def _placed(
    x: float, y: float, origin: tuple[float, float], scale: tuple[float, float]
) -> list[int]:
    """A corner (x, y) of the map in whole pixels of the file."""
    return [round(origin[0] + scale[0] * x), round(origin[1] + scale[1] * y)]


def _score(key: int, score: float | None) -> float | None:
    if score is not None and not isfinite(score):
        raise DataError(
            f"object {key} has no score", expected="a probability in 0..1", found=repr(score)
        )
    return None if score is None else round(float(score), 4)


def _contour(
    parts: Sequence[Part], origin: tuple[float, float], scale: tuple[float, float]
) -> list[list[int]]:
    """The outline through the pixel centres of the largest part, in pixels of the file."""
    outer = max((part[0] for part in parts), key=shoelace)
    points = []
    for col, row in through_centres(outer):
        x = origin[0] + scale[0] * (col + 0.5) - 0.5
        y = origin[1] + scale[1] * (row + 0.5) - 0.5
        points.append([round(x), round(y)])
    return points + points[-1:] * (FEWEST - len(points))


def through_centres(ring: Ring) -> Ring:
    """The closed line through the outermost pixels (column, row) of a ring along pixel edges.

    Only points where it turns are kept, the others lie in one of the eight directions between
    them. `ring` is an outer one of `trace`.
    """
    met: Ring = []
    for (x, y), (u, v) in zip(ring, [*ring[1:], ring[0]], strict=True):
        # the object lies to the right of each edge
        if u > x:
            ends = ((x, y), (u - 1, y))
        elif v > y:
            ends = ((x - 1, y), (x - 1, v - 1))
        elif u < x:
            ends = ((x - 1, y - 1), (u, y - 1))
        else:
            ends = ((x, y - 1), (x, v))
        for pixel in ends:
            if not met or met[-1] != pixel:
                met.append(pixel)
    while len(met) > 1 and met[0] == met[-1]:
        met.pop()
    turns = [
        here
        for before, here, after in zip(met[-1:] + met[:-1], met, met[1:] + met[:1], strict=True)
        if _direction(before, here) != _direction(here, after)
    ]
    return turns or met


def _direction(start: tuple[int, int], end: tuple[int, int]) -> tuple[int, int]:
    """The signs of a step, which is along an axis or by single pixels."""
    x, y = end[0] - start[0], end[1] - start[1]
    return (x > 0) - (x < 0), (y > 0) - (y < 0)
