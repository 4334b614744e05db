"""NumPy files of any form, without ever reading Python objects."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.limits import MAX_ARRAYS, MAX_MEMBERS, too_large, too_many

DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises on a file that is damaged or holds Python objects."""


def read_array(path: Path) -> NDArray[Any]:
    """The array of an npy file, mapped: only what is indexed is read from disk.

    Raises DataError, naming `path`; see `read_npz`.
    """
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(os.fspath(path), mode="r")
    except DAMAGED as error:
        raise _broken(path, error) from error
    return array


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz archive by name, in memory.

    Raises DataError, naming `path`, where it is damaged or holds Python objects, which are never
    read, since reading them runs code.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            if len(archive.files) > MAX_MEMBERS:
                raise too_many(path, len(archive.files), MAX_MEMBERS, "arrays")
            if sum(part.file_size for part in archive.zip.infolist()) > MAX_ARRAYS:
                raise too_large(path, MAX_ARRAYS)
            return {name: archive[name] for name in archive.files}
    except DAMAGED as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="a whole file of plain numbers",
        found=f"{type(error).__name__}: {error}",
        hint="get the file again; arrays of Python objects are never read",
    )
