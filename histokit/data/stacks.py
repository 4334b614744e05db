"""Images and labels that lie in NumPy arrays: a stack of each, or a patch of all channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_bytes, exact_ids
from histokit.errors import DataError
from histokit.io.npz import read_array, read_npz

IMAGES = ("images", "image", "x", "data")
LABELS = ("labels", "masks", "y", "inst_map")
CLASSES = ("classes", "type_map")
KEPT = 8
"""How many sources stay open; an npz archive stays in memory."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Arrays of one file or folder.

    Attributes:
        path: what errors name.
        images: [N H W 3].
        ids: [N H W] objects, or foreground; None without labels.
        classes: [N H W], or None.
        surely_ids: whether the form says that `ids` holds objects, not foreground.
    """

    path: Path
    images: NDArray[Any]
    ids: NDArray[Any] | None
    classes: NDArray[Any] | None
    surely_ids: bool = False

    def image(self, row: int) -> NDArray[np.uint8]:
        """An image, uint8 [H W 3]; floats of 0..1 are scaled, those of 0..255 rounded."""
        values = np.array(self.images[row])
        if values.dtype.kind == "f" and values.max(initial=0) <= 1:
            values = values * 255
        return exact_bytes(f"{self.path}[{row}]", values)

    def maps(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
        """The objects or foreground of an image, and its classes where there are such."""
        if self.ids is None:
            raise DataError(f"{self.path} has no labels", expected="an array of labels")
        where = f"{self.path}[{row}]"
        kinds = None if self.classes is None else exact_ids(where, self.classes[row])
        return exact_ids(where, self.ids[row]), kinds

    @property
    def highest(self) -> int:
        """The highest class; 0 without classes."""
        rows: Iterable[NDArray[Any]] = () if self.classes is None else self.classes
        return max((int(row.max(initial=0)) for row in rows), default=0)


def open_stack(path: Path) -> Stack:
    """The arrays of an npz archive, of a patch in an npy file, or of the npy files of a folder.

    npy files are mapped: only what is asked for is read. Raises DataError, naming `path`.
    """
    parts = path.glob("*.npy") if path.is_dir() else [path] * path.exists()
    return _opened(path, tuple(part.stat().st_mtime_ns for part in parts))


@lru_cache(maxsize=KEPT)
def _opened(path: Path, _changed: tuple[int, ...]) -> Stack:
    if path.is_dir():
        named = {file.stem.casefold(): file for file in path.glob("*.npy")}
        wanted = {name: named[name] for name in (*IMAGES, *LABELS, *CLASSES) if name in named}
        return _stacked(path, {name: read_array(file) for name, file in wanted.items()})
    if path.suffix.lower() == ".npz":
        return _stacked(path, {name.casefold(): a for name, a in read_npz(path).items()})
    return _patch(path, read_array(path))


def is_stack(folder: Path) -> bool:
    """Whether a folder holds an npy file of images by name."""
    return any(file.stem.casefold() in IMAGES for file in folder.glob("*.npy"))


def _patch(path: Path, array: NDArray[Any]) -> Stack:
    """A patch [H W 4] or [H W 5]: RGB, ids, and perhaps classes."""
    if array.ndim != 3 or array.shape[2] not in (4, 5):
        raise _wrong(path, "a patch [H W 4] or [H W 5] of RGB, ids and classes", array)
    ids, classes = array[None, ..., 3], array[None, ..., 4] if array.shape[2] == 5 else None
    return Stack(path, array[None, ..., :3], ids, classes, surely_ids=True)


def _stacked(path: Path, found: Mapping[str, NDArray[Any]]) -> Stack:
    images, labels, classes = (_first(found, names) for names in (IMAGES, LABELS, CLASSES))
    if images is None:
        names = ", ".join(found) or "nothing"
        raise DataError(f"{path} has no images", expected=" or ".join(IMAGES), found=names)
    if images.ndim != 4 or images.shape[3] != 3:
        raise _wrong(path, "images [N H W 3]", images)
    shape = images.shape[:3]
    pairs = labels is not None and labels.ndim == 4 and labels.shape[3] == 2
    if labels is not None and labels.shape != (*shape, 2) and labels.shape != shape:
        raise _wrong(path, f"labels {list(shape)} or {[*shape, 2]}, as the images", labels)
    if classes is not None and (classes.shape != shape or labels is None or pairs):
        raise _wrong(path, f"classes {list(shape)} beside labels {list(shape)}", classes)
    if labels is not None and pairs:
        labels, classes = labels[..., 0], labels[..., 1]
    return Stack(path, images, labels, classes, surely_ids=pairs)


def _first(found: Mapping[str, NDArray[Any]], names: Iterable[str]) -> NDArray[Any] | None:
    return next((found[name] for name in names if name in found), None)


def _wrong(path: Path, expected: str, array: NDArray[Any]) -> DataError:
    return DataError(
        f"{path} has another form", expected=expected, found=f"{array.dtype} {list(array.shape)}"
    )
