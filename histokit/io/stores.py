"""A whole data set as one HDF5 file: each image and id map a chunk of its own, the rest in tables.

    images/N         uint8 [H W 3]      the N-th image, counted from 0
    ids/N            int32 [H W]        its objects, 0 = background; absent without labels
    counterparts/N   uint8 [H W 3]      the same place in the other stain; absent without
    records/…        key, group, split ("" for none), mpp (NaN for unknown), objects: a row an image
    objects/…        id, class: the objects that have a class, image by image
    failures/…       key, reason: the images that are not in the file

Chunks carry checksums and are deflated at level 1, which any HDF5 library reads, or raw: a third
larger and read six times as fast.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any, final

import h5py
import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces.dataset import Labels
from histokit.io.files import atomic

FORMAT = "histokit data set"
VERSION = 1
RAW = {"fletcher32": True}
PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True, **RAW}
MAX_CHUNK = 2**31
"""Bytes of a chunk; an image beyond is cut into bands of rows."""
SPARE = 2**26
"""Bytes that stay free on the disk while a store is written."""
DAMAGED = (OSError, LookupError, ValueError, RuntimeError, TypeError)
"""What h5py raises on a file that is damaged or of another form."""


@dataclass(frozen=True, slots=True)
class About:
    """What a store says of the whole data set.

    Attributes:
        source: the data set it was made from, as it was typed.
        task: ``instances``, ``semantic`` or ``pairs``.
        classes: names of the object classes 1, 2, …
        licence, homepage, reference: of the data, as its card has them.
        group: what shares a group, such as ``patient``.
        histokit: the version that wrote it.
    """

    source: str
    task: str
    classes: tuple[str, ...] = ()
    licence: str = ""
    homepage: str = ""
    reference: str = ""
    group: str = "image"
    histokit: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An image of a store; see `histokit.interfaces.Record` for the first four."""

    key: str
    group: str
    split: str | None = None
    mpp: float | None = None
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be stored, and why."""

    key: str
    reason: str


@final
class StoreWriter:
    """Takes the images of a store one by one.

    Attributes:
        rows: what is in it so far.
        failures: what was left out so far.
        objects: how many objects are in it so far.
    """

    def __init__(self, file: h5py.File, *, raw: bool = False) -> None:
        self.rows: list[Row] = []
        self.failures: list[Failure] = []
        self.objects = 0
        self._file = file
        self._form: Mapping[str, Any] = RAW if raw else PACKED
        self._classes: list[Mapping[int, int]] = []

    def add(
        self,
        row: Row,
        image: NDArray[np.uint8],
        labels: Labels | None = None,
        counterpart: NDArray[np.uint8] | None = None,
    ) -> None:
        """Adds an image [H W 3], its labels, and the image in the other stain, as far as there
        are such. Raises DataError where the disk has no room for them.
        """
        arrays = (image, None if labels is None else labels.ids, counterpart)
        self._require_room(sum(array.nbytes for array in arrays if array is not None))
        place = str(len(self.rows))
        self._put(f"images/{place}", image)
        if labels is not None:
            self._put(f"ids/{place}", labels.ids)
            self.objects += int(labels.ids.max(initial=0))
        if counterpart is not None:
            self._put(f"counterparts/{place}", counterpart)
        self.rows.append(row)
        self._classes.append({} if labels is None else labels.classes)

    @property
    def highest_class(self) -> int:
        """The highest class of an object so far; 0 without classes."""
        return max((kind for classes in self._classes for kind in classes.values()), default=0)

    def leave_out(self, failure: Failure) -> None:
        """Notes an image that is not in the store."""
        self.failures.append(failure)

    def finish(self, about: About) -> None:
        """Writes the tables."""
        self._file.attrs.update(format=FORMAT, version=VERSION, about=json.dumps(asdict(about)))
        rows = self.rows
        self._table(
            "records",
            key=[row.key for row in rows],
            group=[row.group for row in rows],
            split=[row.split or "" for row in rows],
            mpp=np.array([np.nan if row.mpp is None else row.mpp for row in rows], np.float64),
            objects=np.array([len(classes) for classes in self._classes], np.int64),
        )
        pairs = [pair for classes in self._classes for pair in sorted(classes.items())]
        flat = np.array(pairs, np.int32).reshape(-1, 2)
        self._table("objects", **{"id": flat[:, 0], "class": flat[:, 1]})
        self._table(
            "failures",
            key=[failure.key for failure in self.failures],
            reason=[failure.reason for failure in self.failures],
        )

    def _require_room(self, size: int) -> None:
        """Looks ahead, since HDF5 may take the whole process down when the disk is full."""
        path = Path(self._file.filename)
        free = disk_usage(path.parent).free
        if free < size + SPARE:
            raise DataError(
                f"no room to write in {path.parent}",
                expected=f"{(size + SPARE) / 1e6:.0f} MB for the next image and the tables",
                found=f"{free / 1e6:.0f} MB free",
                hint="free space or choose another output folder",
            )

    def _put(self, name: str, array: NDArray[Any]) -> None:
        rows = max(1, min(array.shape[0], MAX_CHUNK // max(1, array[:1].nbytes)))
        self._file.create_dataset(name, data=array, chunks=(rows, *array.shape[1:]), **self._form)

    def _table(self, name: str, **columns: NDArray[Any] | list[str]) -> None:
        for column, values in columns.items():
            dtype = values.dtype if isinstance(values, np.ndarray) else h5py.string_dtype()
            self._file.create_dataset(f"{name}/{column}", data=values, dtype=dtype)


@contextmanager
def new_store(path: Path, *, raw: bool = False) -> Iterator[StoreWriter]:
    """A writer of a store that becomes `path` when the block ends well, after its `finish`; `raw`
    leaves the pixels as they are.

    Raises DataError, naming `path`, when it cannot be written.
    """
    with atomic(path) as temporary:
        try:
            with h5py.File(temporary, "w") as file:
                yield StoreWriter(file, raw=raw)
        except RuntimeError as error:  # what HDF5 raises where the disk is full as it closes
            raise DataError(
                f"cannot write {path}",
                found=str(error),
                hint="free space or choose another output folder",
            ) from error


@contextmanager
def open_h5(path: Path, expected: str) -> Iterator[h5py.File]:
    """An HDF5 file, open for reading. Whatever h5py raises within becomes a DataError that names
    `path` and what was `expected` of it.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DAMAGED as error:
        raise damaged(path, expected, error) from error


def damaged(where: object, expected: str, error: Exception) -> DataError:
    """The error that something in an HDF5 file cannot be read."""
    return DataError(
        f"cannot read {where}",
        expected=expected,
        found=f"{type(error).__name__}: {error}",
        hint="get or make the file again",
    )


@final
class Store:
    """A finished store. Each process opens the file for itself, at its first read, and keeps it
    open; so a store may be carried into loading processes by fork and by pickling.

    Attributes:
        path: of the file.
        about: what it says of the whole data set.
        rows: its images, in order.
        failures: the images that were left out.

    Raises DataError where the file is damaged, of another kind, or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_h5(path, "a whole HDF5 file of `histokit data import`") as file:
            _require_format(path, file)
            self.about = _about(file)
            self.rows = _rows(file)
            self.failures = _failures(file)
            self._ends = np.cumsum(file["records/objects"][()])
            self._objects = file["objects/id"][()], file["objects/class"][()]
            counts = [len(column) for column in self._objects]
            if len(self._ends) != len(self.rows) or counts != [self._ends[-1]] * 2:
                raise ValueError("tables of different lengths")
        self._file: h5py.File | None = None
        self._owner = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_file": None, "_owner": 0}

    def image(self, place: int) -> NDArray[np.uint8]:
        """The image at a place, uint8 [H W 3]. Raises DataError, naming file and key."""
        return self._read("images", place, _is_image)

    def counterpart(self, place: int) -> NDArray[np.uint8]:
        """The same in the other stain. Raises DataError, also where there is none."""
        return self._read("counterparts", place, _is_image)

    def ids(self, place: int) -> NDArray[np.int32]:
        """The id map at a place, int32 [H W]. Raises DataError, also where there is none."""
        return self._read("ids", place, lambda array: array.ndim == 2 and array.dtype == np.int32)

    def classes(self, place: int) -> dict[int, int]:
        """The class of each object at a place that has one."""
        begin = int(self._ends[place - 1]) if place else 0
        ids, classes = (column[begin : self._ends[place]].tolist() for column in self._objects)
        return dict(zip(ids, classes, strict=True))

    def _read(self, kind: str, place: int, fits: Callable[[NDArray[Any]], bool]) -> NDArray[Any]:
        where = f"{self.path}[{self.rows[place].key}]"
        try:
            array: NDArray[Any] = self._opened()[f"{kind}/{place}"][()]
        except DAMAGED as error:
            raise damaged(where, f"{kind}/{place}, whole", error) from error
        if not fits(array):
            found = f"{array.dtype} {list(array.shape)}"
            raise DataError(f"{where} has another form", expected=f"{kind} as written", found=found)
        return array

    def _opened(self) -> h5py.File:
        """The file as this process opened it. A handle from before a fork is closed first: the
        library would go on sharing its state otherwise.
        """
        if self._file is None or self._owner != os.getpid():
            if self._file is not None:
                self._file.close()
            self._file = h5py.File(self.path, "r")
            self._owner = os.getpid()
        return self._file


def _is_image(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8


def _require_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        raise DataError(
            f"{path} is not a data set of histokit",
            expected="a file of `histokit data import`",
            found="an HDF5 file with " + (", ".join(list(file)[:5]) or "nothing"),
            hint="tiles of a slide are read by tiles-h5:FILE",
        )
    if int(file.attrs["version"]) > VERSION:
        raise DataError(
            f"{path} was made by a later histokit",
            expected=f"version {VERSION} of the format",
            found=f"version {file.attrs['version']}",
            hint="update histokit",
        )


def _about(file: h5py.File) -> About:
    found = json.loads(file.attrs["about"])
    return About(**{**found, "classes": tuple(found["classes"])})


def _rows(file: h5py.File) -> tuple[Row, ...]:
    keys, groups, splits = (_words(file, f"records/{name}") for name in ("key", "group", "split"))
    sizes = [None if np.isnan(mpp) else float(mpp) for mpp in file["records/mpp"][()]]
    labelled = set(file["ids"]) if "ids" in file else set()
    columns = zip(keys, groups, splits, sizes, strict=True)
    return tuple(
        Row(key, group, split or None, mpp, str(place) in labelled)
        for place, (key, group, split, mpp) in enumerate(columns)
    )


def _failures(file: h5py.File) -> tuple[Failure, ...]:
    keys, reasons = (_words(file, f"failures/{name}") for name in ("key", "reason"))
    return tuple(Failure(*pair) for pair in zip(keys, reasons, strict=True))


def _words(file: h5py.File, name: str) -> list[str]:
    return list(file[name].asstr()[()])
