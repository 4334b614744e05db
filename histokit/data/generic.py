"""What the readers of generic layouts share: classes without names, ids with gaps, one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit.data.masks import levels, renumbered
from histokit.errors import DataError
from histokit.interfaces.dataset import Labels, Record


def numbered_names(highest: int) -> tuple[str, ...]:
    """Names for the classes 1 to `highest` where nothing names them."""
    return tuple(f"class {number}" for number in range(1, highest + 1))


def kept(ids: NDArray[np.int32], classes: Mapping[int, int]) -> Labels:
    """The objects that have a pixel, numbered 1..N in the order of their ids, with their classes.

    Args:
        ids: int32 [H W], with or without gaps.
        classes: of the ids that have one; 0 is none.
    """
    present = levels(ids)
    present = present[present > 0].tolist()
    known = {new: classes.get(old, 0) for new, old in enumerate(present, start=1)}
    return Labels(renumbered(ids), {new: kind for new, kind in known.items() if kind > 0})


def require_within(path: Path, ids: NDArray[np.int32], objects: int) -> None:
    """Raises DataError where a file has `objects`, but none has a pixel in the map `ids`."""
    if objects and not ids.any():
        raise DataError(
            f"no object of {path} lies in its image",
            expected=f"coordinates in pixels of an image of {ids.shape[0]}x{ids.shape[1]}",
            found=f"{objects} objects, all elsewhere",
            hint="export in pixels of this image, not of the slide that it was cut from",
        )


def apart(found: Sequence[Record]) -> tuple[Record, ...]:
    """Records that lie in one file, told apart for findings: ``FILE.h5[key]``."""
    return tuple(
        replace(
            record,
            image=None if record.image is None else _named(record.image, record.key),
            labels=tuple(_named(path, record.key) for path in record.labels),
        )
        for record in found
    )


def _named(path: Path, key: str) -> Path:
    return Path(f"{path}[{key}]")
