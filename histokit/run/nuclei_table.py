"""A table of objects, one row each, written block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2hed

from histokit.interfaces import Instances
from histokit.io.tables import Kind, table
from histokit.metrics.shapes import means, shapes
from histokit.postprocess.clean import relabel

PIXELS = ("x_px", "y_px", "bbox_xmin", "bbox_ymin", "bbox_xmax", "bbox_ymax", "area_px")
MICRONS = ("x_um", "y_um", "area_um2", "perimeter_um", "major_axis_um", "minor_axis_um")
FORM = ("eccentricity", "circularity", "orientation_rad")
STAIN = ("mean_h", "mean_e")
DIGITS = 4

Add = Callable[[Instances, NDArray[np.uint8], tuple[float, float], int], None]
"""Adds the objects of a map: the objects, the image under them, the place (x, y) of the map's
corner in pixels of the full size, and how many objects came before."""


@contextmanager
def nuclei_table(
    path: Path,
    name: str,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    mpp: tuple[float, float] | None = None,
    class_names: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> Iterator[Add]:
    """A function that adds objects to a table, which is there when the block ends well.

    Args:
        path: of the file, Parquet where it ends so, else CSV.
        name: of the image or slide, the first column.
        scale: pixels of the full size a pixel of the maps, along (x, y).
        mpp: micrometres a pixel of the full size; without them the columns in µm are left out.
        class_names: of the classes 1, 2, ….
        about: what a Parquet file says beside that of where it comes from.

    Places are (x, y) in pixels of the full size, pixel corners being whole numbers. mean_h and
    mean_e are the densities of haematoxylin and eosin by the colour deconvolution of Ruifrok and
    Johnston (2001). Lengths along neither axis take the geometric mean of both pixel sizes.
    """
    said = {"mpp": mpp, "class_names": list(class_names), "origin": "corner", **(about or {})}
    with table(path, _columns(mpp is not None), said) as add_rows:

        def add(
            found: Instances,
            image: NDArray[np.uint8],
            origin: tuple[float, float],
            before: int,
        ) -> None:
            numbers = _numbers(relabel(found.ids), image, origin, scale, mpp)
            keys = np.flatnonzero(np.bincount(found.ids.ravel(), minlength=1)[1:]) + 1
            rows = []
            for key, values in zip(keys.tolist(), numbers.tolist(), strict=True):
                kind = found.classes.get(key, 1 if class_names else 0)
                named = class_names[kind - 1] if 1 <= kind <= len(class_names) else None
                score = round(found.scores[key], DIGITS) if key in found.scores else None
                rows.append([name, key + before, *values, kind or None, named, score])
            add_rows(rows)

        yield add


def _columns(sized: bool) -> dict[str, Kind]:
    """What each column holds, by name and in order; those in µm where pixels are `sized`."""
    columns: dict[str, Kind] = {"slide_id": "text", "nucleus_id": "count"}
    for key in (*PIXELS, *(MICRONS if sized else ()), *FORM, *STAIN):
        columns[key] = "place" if key.startswith(("x_", "y_", "bbox_")) else "number"
    return columns | {"type": "count", "type_name": "text", "prob": "number"}


def _numbers(
    ids: NDArray[np.int32],
    image: NDArray[np.uint8],
    origin: tuple[float, float],
    scale: tuple[float, float],
    mpp: tuple[float, float] | None,
) -> NDArray[np.float64]:
    """The columns of numbers, one row an object."""
    form = shapes(ids)
    (sx, sy), (x0, y0) = scale, origin
    x, y = x0 + form.x * sx, y0 + form.y * sy
    columns = [x, y, x0 + form.left * sx, y0 + form.top * sy]
    columns += [x0 + form.right * sx, y0 + form.bottom * sy, form.area * sx * sy]
    if mpp is not None:
        side = sqrt(mpp[0] * sx * mpp[1] * sy)
        columns += [x * mpp[0], y * mpp[1], form.area * side**2]
        columns += [form.perimeter * side, form.major * side, form.minor * side]
    round_ = 4 * np.pi * form.area / form.perimeter**2
    columns += [form.eccentricity, round_, form.orientation]
    stains = rgb2hed(image[ids > 0][None])[0]
    columns += [means(ids, stains[:, 0]), means(ids, stains[:, 1])]
    return np.stack(columns, 1).astype(np.float64).round(DIGITS)
