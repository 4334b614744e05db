"""The class of each object: from maps of classes, lists of classes, and tables of merges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.data.layout import plain
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Record


def require_classes(where: str, values: NDArray[Any], names: Sequence[str]) -> None:
    """Raises DataError, naming `where`, for a class beyond the table of `names` (1..N; 0 is
    background).
    """
    high = int(values.max(initial=0))
    if high > len(names):
        raise DataError(
            f"{where} has a class beyond the table",
            expected="0 or one of " + ", ".join(f"{n} {name}" for n, name in enumerate(names, 1)),
            found=f"class {high}",
            hint="is this file of another data set?",
        )


def majority(ids: NDArray[np.int32], kinds: NDArray[np.int32]) -> dict[int, int]:
    """The class that most pixels of each object have, of equals the lowest.

    Pixels of class 0 do not vote; objects with no other are left out.

    Args:
        ids: int32 [H W], 0 = background, 1..N.
        kinds: int32 [H W], the class of each pixel.
    """
    width = int(kinds.max(initial=0)) + 1
    cells = ids.ravel().astype(np.int64) * width + kinds.ravel()
    votes = np.bincount(cells, minlength=(int(ids.max(initial=0)) + 1) * width)
    votes = votes.reshape(-1, width)
    votes[:, 0] = 0
    winners = votes.argmax(axis=1)
    return {n: int(kind) for n, kind in enumerate(winners) if n > 0 and kind > 0}


def merged(classes: Mapping[int, int], merge: Mapping[int, int]) -> dict[int, int]:
    """The classes after a merge; classes that it does not name are dropped."""
    return {number: merge[kind] for number, kind in classes.items() if kind in merge}


def class_index(name: str, names: Sequence[str]) -> int:
    """The place of a class name in a table, from 1; case and separators do not matter; 0 where
    it is not there.
    """
    table = {plain(known): number for number, known in enumerate(names, start=1)}
    return table.get(plain(name), 0)


def class_findings(data: Dataset, records: Sequence[Record]) -> Iterator[Finding]:
    """A warning for each file with objects of no class; files that cannot be read are told by
    the shared checks.
    """
    for record in records:
        if not record.labels:
            continue
        try:
            labels = data.labels(record)
        except DataError:
            continue
        lacking = int(labels.ids.max(initial=0)) - len(labels.classes)
        if lacking:
            yield Finding("warning", str(record.labels[0]), f"{lacking} objects have no class")


def twice(name: str, key: str, first: Path | None, second: Path | None) -> DataError:
    """The error that an image is there twice."""
    return DataError(
        f"image {key} is here twice",
        expected=f"one copy of {name}",
        found=f"{first} and {second}",
        hint="name the folder of one copy",
    )
