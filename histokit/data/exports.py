"""Arrays of an image and its mask, and lists of parts, as the code of MaNi keeps them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_bytes, exact_ids, open_array
from histokit.data.layout import files
from histokit.data.tables import read_table
from histokit.data.trees import below
from histokit.errors import DataError

PARTS = MappingProxyType({"train": "train", "valid": "val", "val": "val", "test": "test"})
"""From the words of a list to those of `Record.split`."""


def find_list(start: Path, names: Collection[str]) -> Path | None:
    """The CSV file of one of the names in `start`, below it or beside it; None where there is
    none. Raises DataError where there are several.
    """
    folders = [*below(start), start.parent]
    found = [path for folder in folders for path in files(folder, (".csv",)) if path.name in names]
    if len(found) > 1:
        raise DataError(
            f"several lists of the parts are in {start}",
            expected="one of " + ", ".join(names),
            found=", ".join(str(path) for path in found),
            hint="remove the others",
        )
    return found[0] if found else None


def read_parts(path: Path) -> dict[str, str]:
    """The part, ``train``, ``val`` or ``test``, of each listed image by stem.

    Raises DataError, naming `path`, for other words and where no image is listed.
    """
    parts: dict[str, str] = {}
    for row in read_table(path, "fname", "split"):
        word = row["split"].casefold()
        if word not in PARTS:
            raise _bad_list(path, f"{row['split']!r} for {row['fname']}")
        parts[PurePosixPath(row["fname"]).stem] = PARTS[word]
    if not parts:
        raise _bad_list(path, "no image")
    return parts


def read_export_image(path: Path) -> NDArray[np.uint8]:
    """The image of an array [H W 4], uint8 [H W 3]. Raises DataError, naming `path`.

    An array of fractions up to 1 is refused rather than made black.
    """
    colours = np.asarray(open_array(path, None, None, 4)[..., :3])
    if colours.dtype.kind == "f" and (colours != np.rint(colours)).any():
        raise DataError(
            f"{path} is not an image of known range",
            expected="whole samples of 0..255 in the first three channels",
            found=f"fractions up to {colours.max()}",
            hint="save it as uint8",
        )
    return exact_bytes(str(path), colours)


def read_export_mask(path: Path) -> NDArray[np.int32]:
    """The mask of an array [H W 4], int32 [H W], values as stored. Raises DataError, naming it."""
    return exact_ids(str(path), np.asarray(open_array(path, None, None, 4)[..., 3]))


def _bad_list(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="rows with " + ", ".join(PARTS) + " in the column split",
        found=found,
        hint="get the file again",
    )
