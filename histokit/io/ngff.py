"""The metadata of OME-Zarr (OME-NGFF), written and read by hand.

The package ome-zarr would do it too, but brings dask, s3fs and an older pydantic along; what is
needed of the specification is small. Versions 0.5 (Zarr 3; written and read) and 0.4 (Zarr 2;
read): https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histokit.errors import PluginError
from histokit.io.raster import Refused

VERSION = "0.5"
SUFFIX = ".ome.zarr"
"""Ending of the folders that are written."""
FOLDER = ".zarr"
"""Ending of folders that are read."""
MICROMETRES: Mapping[str, float] = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
"""Units of length that microscopes have, of those that the specification names."""
LAYOUT = "bioformats2raw.layout"
"""Attribute of a group whose first image is in the group 0."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """What the metadata of an image says.

    Attributes:
        paths: of the levels within the group, from the full size down.
        axes: their names in order, such as ``cyx``.
        mpp: micrometres a pixel of level 0 along (x, y); None where nothing says so.
    """

    paths: tuple[str, ...]
    axes: str
    mpp: tuple[float, float] | None


def require_zarr() -> Any:
    """The library zarr. Raises PluginError where it is missing or older than 3."""
    hint = 'pip install "histokit-core[zarr]"'
    try:
        zarr = importlib.import_module("zarr")
    except ImportError as error:
        raise PluginError(
            "zarr, which reads and writes OME-Zarr, is not installed", found=str(error), hint=hint
        ) from error
    if int(zarr.__version__.partition(".")[0]) < 3:
        raise PluginError(
            "zarr is too old for OME-Zarr",
            expected="version 3 or newer",
            found=zarr.__version__,
            hint=hint,
        )
    return zarr


def label_metadata(
    name: str, levels: int, mpp: tuple[float, float] | None, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The attributes of the group of a label image [y x], each level every second pixel of the one
    before.

    Args:
        name: of the image.
        levels: how many there are; their arrays are called 0, 1, ….
        mpp: micrometres a pixel of level 0 along (x, y).
        about: what made it, kept under ``histokit``.

    What each object is, the specification would have in ``properties`` of this one text; a slide
    has too many of them, and tables and outlines hold it under the same numbers.
    """
    axes: list[dict[str, Any]] = [{"name": axis, "type": "space"} for axis in "yx"]
    if mpp is not None:
        axes = [{**axis, "unit": "micrometer"} for axis in axes]
    x, y = mpp or (1.0, 1.0)
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [y * 2**level, x * 2**level]}],
        }
        for level in range(levels)
    ]
    multiscale = {"name": name, "axes": axes, "datasets": datasets, "type": "nearest"}
    return {
        "ome": {
            "version": VERSION,
            "multiscales": [multiscale],
            "image-label": {"version": VERSION},
        },
        "histokit": dict(about),
    }


def read_metadata(attributes: Mapping[str, Any]) -> Pyramid | None:
    """What the attributes of a group say of its image; None where they say nothing of one.

    Raises Refused where they are of another version or form.
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or "multiscales" not in ome:
        return None
    try:
        (multiscale, *_) = ome["multiscales"]
        version = str(ome.get("version") or multiscale.get("version", ""))
        if version and not version.startswith(("0.4", "0.5")):
            raise Refused(f"version {version} of OME-Zarr, not 0.4 or 0.5")
        axes = multiscale["axes"]
        names = "".join(axis["name"] for axis in axes)
        paths = tuple(str(dataset["path"]) for dataset in multiscale["datasets"])
        if not paths:
            raise Refused("an OME-Zarr image without a level")
        return Pyramid(paths, names, _mpp(multiscale, axes))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"OME-Zarr metadata of another form ({error!r})") from error


def _mpp(
    multiscale: Mapping[str, Any], axes: Sequence[Mapping[str, Any]]
) -> tuple[float, float] | None:
    """Micrometres a pixel of level 0: what its transformation and that of all levels scale by."""
    first = multiscale["datasets"][0]
    every = [
        *first.get("coordinateTransformations", ()),
        *multiscale.get("coordinateTransformations", ()),
    ]
    scales = [one["scale"] for one in every if one["type"] == "scale"]
    names = [axis["name"] for axis in axes]
    sizes = []
    for name in "xy":
        place = names.index(name)
        unit = MICROMETRES.get(axes[place].get("unit", ""))
        if unit is None or not scales:
            return None
        sizes.append(unit * math.prod(float(scale[place]) for scale in scales))
    return sizes[0], sizes[1]
