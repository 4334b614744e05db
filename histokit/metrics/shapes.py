"""Size, place and form of the objects of an id map, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shapes:
    """What objects 1..n measure, in pixels of their map; row k is object k + 1.

    Attributes:
        x, y: centroid, pixel (0, 0) covering 0..1.
        left, top, right, bottom: the box, its right and lower ends outside.
        area: pixels.
        perimeter: pi/4 times the pixel edges around the object and its holes, which is right for
            a disc, and for any outline on average over its directions (Cauchy and Crofton).
        major, minor: axes of the ellipse with the same second moments, pixels being squares, as
            MATLAB has it; scikit-image takes them for points.
        eccentricity: of that ellipse, 0 for a circle.
        orientation: of its major axis in radians from the x axis towards y, in (-pi/2, pi/2].
    """

    x: Column
    y: Column
    left: Column
    top: Column
    right: Column
    bottom: Column
    area: Column
    perimeter: Column
    major: Column
    minor: Column
    eccentricity: Column
    orientation: Column


def shapes(ids: NDArray[np.integer[Any]]) -> Shapes:
    """The measures of each object of an id map [H W] with ids 1..n without gaps."""
    count = int(ids.max(initial=0))
    rows, cols = np.nonzero(ids)
    owner = ids[rows, cols].astype(np.intp) - 1

    def total(values: NDArray[Any]) -> Column:
        return np.bincount(owner, values, count).astype(np.float64)

    area = np.bincount(owner, minlength=count).astype(np.float64)
    y, x = total(rows) / area, total(cols) / area
    # a pixel is a square, not a point: its own second moment is 1/12
    yy = total((rows - y[owner]) ** 2) / area + 1 / 12
    xx = total((cols - x[owner]) ** 2) / area + 1 / 12
    xy = total((rows - y[owner]) * (cols - x[owner])) / area
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    low = np.maximum(middle - spread, 0)
    return Shapes(
        x + 0.5,
        y + 0.5,
        *_boxes(owner, rows, cols, count),
        area=area,
        perimeter=np.pi / 4 * _edges(ids, count),
        major=4 * np.sqrt(middle + spread),
        minor=4 * np.sqrt(low),
        eccentricity=np.sqrt(1 - low / (middle + spread)),
        orientation=np.arctan2(2 * xy, xx - yy) / 2,
    )


def means(ids: NDArray[np.integer[Any]], values: NDArray[np.floating[Any]]) -> Column:
    """The mean of `values` [n pixels], given for the pixels with an id in raster order, over each
    object 1..n.
    """
    owner = ids[ids > 0].astype(np.intp) - 1
    count = int(ids.max(initial=0))
    return np.bincount(owner, values, count) / np.maximum(np.bincount(owner, minlength=count), 1)


def _boxes(
    owner: NDArray[np.intp], rows: NDArray[np.intp], cols: NDArray[np.intp], count: int
) -> tuple[Column, Column, Column, Column]:
    """Left, top, right and bottom of each object."""
    ends = []
    for places in (cols, rows):
        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, owner, places)
        np.maximum.at(high, owner, places + 1)
        ends.append((low, high))
    (left, right), (top, bottom) = ends
    return left, top, right, bottom


def _edges(ids: NDArray[np.integer[Any]], count: int) -> Column:
    """How many pixel edges lie between each object and anything else."""
    framed = np.pad(ids, 1)
    edges = np.zeros(count + 1, np.int64)
    for one, other in ((framed[1:], framed[:-1]), (framed[:, 1:], framed[:, :-1])):
        differ = one != other
        edges += np.bincount(one[differ], minlength=count + 1)
        edges += np.bincount(other[differ], minlength=count + 1)
    return edges[1:].astype(np.float64)
