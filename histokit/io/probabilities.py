"""Probability maps in HDF5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.files import atomic

NAME = "probabilities"
"""Of the one dataset in the file."""
CHUNK = 256

Attribute: TypeAlias = str | int | float | bool | Sequence[str] | Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Maps read back.

    Attributes:
        values: float32 [K H W] in 0..1.
        attributes: what they were written with; sequences come back as lists.
    """

    values: NDArray[np.float32]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_probabilities(
    path: Path,
    probabilities: NDArray[np.floating[Any]],
    *,
    attributes: Mapping[str, Attribute] | None = None,
) -> None:
    """Writes maps [K H W] in 0..1 as float16, chunked and compressed.

    float16 keeps a probability to within 0.00025. Raises DataError for another shape, for values
    outside of 0..1 and for NaN.
    """
    values = np.asarray(probabilities).astype(np.float16)
    if values.ndim != 3 or values.size == 0 or not ((values >= 0) & (values <= 1)).all():
        extremes = f", from {values.min()} to {values.max()}" if values.size else ""
        raise DataError(
            f"the maps for {path} are no probabilities",
            expected="values in 0..1 of shape [K, H, W]",
            found=f"shape {list(values.shape)}{extremes}",
            hint="apply the activation of the maps first",
        )
    chunks = (1, min(CHUNK, values.shape[1]), min(CHUNK, values.shape[2]))
    # made in memory, because HDF5 crashes later on where its own write to a full disk failed
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        stored = file.create_dataset(
            NAME, data=values, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
        )
        for name, value in (attributes or {}).items():
            stored.attrs[name] = value
        file.flush()
        whole = file.id.get_file_image()
    with atomic(path) as temporary:
        temporary.write_bytes(whole)


def read_probabilities(path: Path) -> Probabilities:
    """The maps of a file of `write_probabilities`. Raises DataError, naming `path`."""
    try:
        with h5py.File(path, "r") as file:
            stored = file[NAME]
            attributes = {name: _plain(value) for name, value in stored.attrs.items()}
            return Probabilities(stored[()].astype(np.float32), attributes)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise DataError(
            f"cannot read {path}",
            expected=f"an HDF5 file with a dataset {NAME!r}",
            found=f"{type(error).__name__}: {error}",
        ) from error


def _plain(value: Any) -> Any:
    """An attribute as a Python value."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
