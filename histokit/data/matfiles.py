"""MATLAB files with a map of ids and, beside it, what each object is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import io

from histokit.data.arrays import exact_ids
from histokit.errors import DataError
from histokit.io.matlab import DAMAGED


def read_mat(path: Path, needed: str, *others: str) -> dict[str, NDArray[Any]]:
    """The variables of a MATLAB file (version 5) that were asked for and are there.

    Raises DataError, naming `path`, when it cannot be read or lacks `needed`.
    """
    try:
        found = io.loadmat(path, variable_names=[needed, *others])
    except DAMAGED as error:
        raise _broken(path, needed, f"{type(error).__name__}: {error}") from error
    if needed not in found:
        names = ", ".join(name for name, _, _ in io.whosmat(path)) or "nothing"
        raise _broken(path, needed, names)
    variables = {name: np.asarray(value) for name, value in found.items() if name[:2] != "__"}
    odd = [name for name, value in variables.items() if value.dtype.kind not in "buif"]
    if odd:
        raise _broken(path, needed, f"{odd[0]} of type {variables[odd[0]].dtype}")
    return variables


def id_map(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.int32]:
    """A map of ids or classes, int32 [H W], from a variable of any number type.

    Raises DataError for another form and for values that are no ids.
    """
    if values.ndim != 2:
        raise _broken(path, name, f"{name} of shape {list(values.shape)}")
    return exact_ids(f"{path} ({name})", values)


def column(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.int32]:
    """A list of ids or classes, int32 [N], from an [N 1] or [1 N] variable. Raises DataError."""
    if values.size and max(values.shape) != values.size:
        raise _broken(path, name, f"{name} of shape {list(values.shape)}")
    return exact_ids(f"{path} ({name})", values.ravel())


def _broken(path: Path, needed: str, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected=f"a MATLAB file of version 5 to 7 with the numbers {needed}",
        found=found,
        hint="get the file again; save files of version 7.3 with -v7",
    )
