"""NumPy files that are too large to load, and the exact reading of values from any array."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.limits import MAX_ID


def open_array(path: Path, *shape: int | None) -> NDArray[Any]:
    """The array of an npy file, mapped: only what is indexed is read from disk.

    Args:
        path: the file; arrays of Python objects are refused, since reading them runs code.
        shape: the length of each axis, None where any will do.

    Raises DataError, naming `path`.
    """
    wanted = "[" + " ".join("any" if side is None else str(side) for side in shape) + "]"
    array = _mapped(path, f"a whole npy file of plain numbers, {wanted}")
    fits = len(shape) == array.ndim and all(
        wish in (None, side) for wish, side in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "buif":
        found = f"{array.dtype} {list(array.shape)}"
        raise DataError(f"{path} has another form", expected=f"numbers {wanted}", found=found)
    return array


def read_words(path: Path) -> list[str]:
    """The words of an npy file. Raises DataError, naming `path`, for anything else."""
    array = _mapped(path, "a whole npy file of words")
    if array.dtype.kind != "U" or array.ndim != 1:
        found = f"{array.dtype} {list(array.shape)}"
        raise DataError(f"{path} has another form", expected="a list of words", found=found)
    return [str(word) for word in array]


def _mapped(path: Path, expected: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(os.fspath(path), mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"cannot read {path}",
            expected=expected,
            found=f"{type(error).__name__}: {error}",
            hint="get the file again; arrays of Python objects are never read",
        ) from error
    return array


def exact_ids(where: str, values: NDArray[Any]) -> NDArray[np.int32]:
    """Values of any number type as int32, unchanged.

    Raises DataError, naming `where`, for fractions, NaN and values outside 0..2^31-1.
    """
    low, high = values.min(initial=0), values.max(initial=0)
    if not (low >= 0 and high <= MAX_ID):  # NaN fails both
        raise _not_ids(where, f"values from {low} to {high}")
    whole = values.astype(np.int32)
    if values.dtype.kind == "f" and (whole != values).any():
        raise _not_ids(where, "fractions")
    return whole


def exact_bytes(where: str, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Samples of 0..255 in any number type as uint8, fractions rounded.

    Raises DataError, naming `where`, for values outside of that range.
    """
    if values.dtype == np.uint8:
        return np.array(values)
    low, high = values.min(initial=0), values.max(initial=0)
    if not (low >= 0 and high <= 255):  # NaN fails both
        raise DataError(
            f"{where} is not an image of known range",
            expected="samples of 0..255",
            found=f"values from {low} to {high}",
            hint="get the file again",
        )
    return np.rint(values).astype(np.uint8)


def _not_ids(where: str, found: str) -> DataError:
    return DataError(
        f"{where} does not hold ids that can be trusted",
        expected="one whole number a pixel, 0 for background",
        found=found,
        hint="get the file again",
    )
