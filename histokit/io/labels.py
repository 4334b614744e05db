"""Id maps as label TIFF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.decode import read_description
from histokit.io.files import atomic
from histokit.io.images import read_mask
from histokit.io.limits import MAX_ID

TILED_ABOVE = 2000
"""Longest side in pixels of a file that is written in strips."""
TILE = 512
MARK = '{"mpp": '
"""How the notes in a file begin, by which files of histokit are known."""


def write_label_tiff(
    path: Path,
    ids: NDArray[np.integer[Any]],
    *,
    mpp: float | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Writes an id map [H W], deflated: uint16 while the ids allow it, else uint32.

    Args:
        path: of the file.
        ids: 0 = background; ids may have gaps.
        mpp: micrometres a pixel; sets the resolution of the file.
        provenance: what made the map; goes into the description beside mpp and object count.

    Raises DataError for an empty map, negative or fractional ids and ids above 2^31 - 1.
    """
    _check(path, ids)
    dtype = np.uint16 if int(ids.max()) <= np.iinfo(np.uint16).max else np.uint32
    objects = int(np.count_nonzero(np.unique(ids)))
    about = {"mpp": mpp, "objects": objects, **(provenance or {})}
    pixels_per_cm = None if mpp is None else (10_000 / mpp, 10_000 / mpp)
    with atomic(path) as temporary:
        tifffile.imwrite(
            temporary,
            ids.astype(dtype),
            compression="zlib",
            tile=(TILE, TILE) if max(ids.shape) > TILED_ABOVE else None,
            photometric="minisblack",
            resolution=pixels_per_cm,
            resolutionunit="CENTIMETER" if pixels_per_cm else None,
            description=json.dumps(about, allow_nan=False),
            metadata=None,
        )


def read_label_tiff(path: Path) -> NDArray[np.int32]:
    """The id map [H W] of a file, by the rules of `read_mask`.

    Raises DataError, naming `path`, when it cannot be read or is no id map.
    """
    return read_mask(path)


def read_label_notes(path: Path) -> dict[str, Any] | None:
    """What `write_label_tiff` noted in a TIFF: mpp, objects and provenance; None in a file of
    another tool.

    Raises DataError, naming `path`, when it cannot be read.
    """
    text = read_description(path)
    if not text.startswith(MARK):
        return None
    try:
        about: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read the notes of {path}",
            expected="JSON, as histokit wrote it",
            found=f"{type(error).__name__}: {error}",
            hint="predict the image again",
        ) from error
    return about if "objects" in about else None


def _check(path: Path, ids: NDArray[Any]) -> None:
    """Raises DataError unless `ids` is an id map."""
    if ids.ndim != 2 or ids.size == 0 or ids.dtype.kind not in "iu":
        raise DataError(
            f"{path} is no id map",
            expected="whole-number ids [H W], 0 = background",
            found=f"{ids.dtype} of shape {list(ids.shape)}",
        )
    if int(ids.min()) < 0 or int(ids.max()) > MAX_ID:
        raise DataError(
            f"{path} is no id map",
            expected=f"ids from 0 to {MAX_ID}",
            found=f"ids from {ids.min()} to {ids.max()}",
        )
