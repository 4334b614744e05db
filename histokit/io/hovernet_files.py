"""The files that HoVer-Net writes and reads: .mat with an id map, .json with outlines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from histokit.errors import DataError
from histokit.io.files import read_json
from histokit.io.limits import MAX_DRAWN, MAX_ID
from histokit.io.matlab import DAMAGED
from histokit.io.rings import Ids, rasterise

Ring = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outlines:
    """The nuclei of a .json file: by id, the outline through the outermost pixel centres, int64
    [N 2] as (x, y), and the types of those that have one.
    """

    rings: Mapping[int, Ring]
    types: Mapping[int, int] = field(default_factory=dict)


def read_hovernet_mat(path: Path) -> tuple[Ids, dict[int, int]]:
    """The id map, int32 [H W], and the type of each object by its id, empty without ``inst_type``.

    Row k of ``inst_type`` belongs to row k of ``inst_uid``, or without that to the k-th id of the
    map. Raises DataError, naming `path`, when it cannot be read or its lists do not fit.
    """
    found = _variables(path)
    ids = _whole(path, "inst_map", found["inst_map"])
    if ids.ndim != 2:
        raise _odd(path, "inst_map [H W]", f"shape {list(ids.shape)}")
    if "inst_type" not in found:
        return ids, {}
    types = _whole(path, "inst_type", found["inst_type"]).ravel()
    present = np.unique(ids[ids > 0])
    keys = _whole(path, "inst_uid", found["inst_uid"]).ravel() if "inst_uid" in found else present
    if keys.size != types.size:
        raise _odd(path, f"a type for each of {keys.size} nuclei", f"{types.size} types")
    return ids, dict(zip(keys.tolist(), types.tolist(), strict=True))


def read_hovernet_json(path: Path) -> Outlines:
    """The nuclei of a file. Raises DataError, naming `path` and the nucleus, for broken ones."""
    value = read_json(path)
    nuclei = value.get("nuc") if isinstance(value, dict) else None
    if not isinstance(nuclei, dict):
        raise _odd(path, 'a member "nuc" with nuclei by id', type(value).__name__)
    rings: dict[int, Ring] = {}
    types: dict[int, int] = {}
    for name, nucleus in nuclei.items():
        try:
            key = int(name)
            ring = np.asarray(nucleus["contour"], np.float64).reshape(-1, 2)
            kind = nucleus.get("type")
            if not 0 < key <= MAX_ID or not ring.size or not (np.abs(ring) <= MAX_DRAWN).all():
                raise ValueError("no positive id or no outline on an image")
            rings[key] = np.rint(ring).astype(np.int64)
            if kind is not None:
                types[key] = int(kind)
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
            found = f"{type(error).__name__}: {error}"
            raise _odd(path, f"nucleus {name} with a contour of [x, y]", found) from error
    return Outlines(rings, types)


def fill(rings: Iterable[tuple[int, Ring]], shape: tuple[int, int]) -> Ids:
    """The id map, int32 of `shape`, of outlines that run through pixel centres.

    A pixel belongs to an outline that it lies within or upon, as OpenCV fills its contours; the
    first keeps it where outlines meet. What lies outside of the map is cut off. A file of
    outlines has neither holes nor second pieces of a nucleus, so neither comes back.
    """
    rings = list(rings)
    ids = rasterise(((key, [(ring + 0.5).tolist()]) for key, ring in rings), shape)
    for key, ring in rings:
        columns, rows = _drawn(ring).T
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        rows, columns = rows[inside], columns[inside]
        free = ids[rows, columns] == 0
        ids[rows[free], columns[free]] = key
    return ids


def _drawn(ring: Ring) -> Ring:
    """The pixels (x, y) on the closed line through the points of a ring."""
    step = np.roll(ring, -1, axis=0) - ring
    length = np.maximum(np.abs(step).max(axis=1), 1)
    which = np.repeat(np.arange(len(ring)), length)
    nth = np.arange(which.size) - np.repeat(np.cumsum(length) - length, length)
    share = nth / length[which]
    return np.rint(ring[which] + share[:, None] * step[which]).astype(np.int64)


def _variables(path: Path) -> dict[str, NDArray[Any]]:
    """The variables of a .mat file that matter here."""
    names = ["inst_map", "inst_type", "inst_uid"]
    try:
        found = io.loadmat(path, variable_names=names)
    except DAMAGED as error:
        raise _odd(
            path, "a MATLAB file of version 5", f"{type(error).__name__}: {error}"
        ) from error
    if "inst_map" not in found:
        raise _odd(path, "a MATLAB file with inst_map", "none")
    return {name: np.asarray(found[name]) for name in names if name in found}


def _whole(path: Path, name: str, values: NDArray[Any]) -> Ids:
    """Values of any number type as int32. Raises DataError for fractions and negative ones."""
    if values.dtype.kind not in "buif":
        raise _odd(path, f"{name} of numbers", str(values.dtype))
    low, high = values.min(initial=0), values.max(initial=0)
    if not (low >= 0 and high <= MAX_ID):  # NaN fails both
        raise _odd(path, f"{name} from 0 to {MAX_ID}", f"values from {low} to {high}")
    whole = values.astype(np.int32)
    if values.dtype.kind == "f" and (whole != values).any():
        raise _odd(path, f"whole numbers in {name}", "fractions")
    return whole


def _odd(path: Path, expected: str, found: str) -> DataError:
    return DataError(f"cannot read {path} as a file of HoVer-Net", expected=expected, found=found)
