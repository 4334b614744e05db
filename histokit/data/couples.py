"""Data sets of pairs, opened: reading both stains of a place, and checking them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import Expected
from histokit.data.channels import channel_findings
from histokit.data.checks import count_findings, image_path, split_findings
from histokit.data.kinds import twice
from histokit.data.layout import IMAGES, listing, natural
from histokit.data.sides import Place
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.interfaces.spec import DatasetSpec
from histokit.io.images import image_size, read_image

WIDE = 1.5
"""How many times as wide as high a half may be before it looks like several images."""


@dataclass(frozen=True)
class PairSet(Dataset):
    """A data set of pairs, opened.

    Attributes:
        spec: the card.
        found: one record a place, of the stain that is translated from.
        others: the file of the other stain, by key; the same file where both lie side by side.
        alone: images of the other stain that belong to no record.
        mirrored: whether the first stain is the right half of images side by side.
        expected: how much a complete data set holds, where that is known.
    """

    spec: ClassVar[DatasetSpec]
    found: tuple[Record, ...]
    others: Mapping[str, Path]
    alone: tuple[Path, ...] = ()
    mirrored: bool = False
    expected: Expected | None = None

    @classmethod
    @abstractmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`. Raises DataError."""

    def records(self) -> Sequence[Record]:
        """All images of the first stain, in natural order of their keys."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        path = image_path(record)
        if self.others.get(record.key) == path:
            return _half(path, right=self.mirrored)
        return read_image(path)

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The same place in the other stain, uint8 [H W 3], of the size of the image.

        Raises DataError with the paths, also where there is none or its size differs.
        """
        path, other = image_path(record), self.others.get(record.key)
        if other is None:
            raise self._no_partner(path)
        if other == path:
            return _half(path, right=not self.mirrored)
        _require_equal(path, other)
        return read_image(other)

    def labels(self, record: Record) -> Labels:
        """Raises DataError: pairs have no labels."""
        raise DataError(
            f"{self.spec.name} has no labels",
            expected="a data set of instances, where labels are needed",
            found=f"pairs of images, such as {record.image or record.key}",
            hint="train on it with --pairs; see `histokit data list` for sets with labels",
        )

    def verify(self) -> Iterator[Finding]:
        """Counts, sizes, damaged files, images without partner, repeated pairs, files not read."""
        if self.expected is not None:
            yield from count_findings(self.found, self.expected)
        yield from split_findings(self.found)
        yield from _alone_findings(self)
        yield from _unread_findings(self)
        seen: dict[tuple[int, int], Record] = {}
        for record in self.found:
            yield from _couple_findings(self, record, seen)
        yield from channel_findings([image_path(record) for record in self.found])

    def _no_partner(self, path: Path) -> DataError:
        return DataError(
            f"{path} has no partner in the other stain",
            expected="a file of the same name in the other folder",
            found=f"partners for {len(self.others)} of {len(self.found)} images",
            hint="train on it unpaired, or move the images without partner out",
        )


Make = Callable[[Place], Record]


def record_of(place: Place) -> Record:
    """The record of a place that only its part and name tell apart."""
    key = "-".join(filter(None, (place.split, *place.name.split("/"))))
    return Record(key, key, place.first, (), place.split)


def records_of(
    places: Sequence[Place], spec: DatasetSpec, make: Make = record_of
) -> tuple[tuple[Record, ...], dict[str, Path]]:
    """The records of the places that have the first stain, and the other file of each by key.

    Raises DataError for a key that is there twice, and where there is no record.
    """
    records: dict[str, Record] = {}
    others: dict[str, Path] = {}
    for place in places:
        if place.first is None:
            continue
        record = make(place)
        if record.key in records:
            raise twice(spec.name, record.key, records[record.key].image, record.image)
        records[record.key] = record
        if place.second is not None:
            others[record.key] = place.second
    if not records:
        raise DataError(f"no image of {spec.name} to translate from", hint="get the images too")
    return tuple(sorted(records.values(), key=lambda record: natural(record.key))), others


def _couple_findings(
    data: PairSet, record: Record, seen: dict[tuple[int, int], Record]
) -> Iterator[Finding]:
    where, other = str(record.image), None
    try:
        image = data.image(record)
        if record.key in data.others:
            other = data.counterpart(record)
    except DataError as error:
        yield Finding("error", where, str(error))
        return
    if data.others.get(record.key) == record.image and image.shape[1] >= WIDE * image.shape[0]:
        size = f"{image.shape[0]}x{image.shape[1]}"
        yield Finding("warning", where, f"has halves of {size} pixels; more than two images?")
    content = hash(image.tobytes()), 0 if other is None else hash(other.tobytes())
    first = seen.setdefault(content, record)
    if first is not record:
        leak = "" if first.group == record.group else ", which counts as another group"
        yield Finding("warning", where, f"has the same pixels as {first.image}{leak}")
    if other is not None and np.array_equal(image, other):
        yield Finding("warning", where, "is the same image in both stains")


def _alone_findings(data: PairSet) -> Iterator[Finding]:
    lone = [image_path(record) for record in data.found if record.key not in data.others]
    if lone and not data.others:
        yield Finding("note", "pairs", "no file name is in both domains; good for unpaired use")
        return
    for path in (*lone, *data.alone):
        yield Finding("note", str(path), "has no partner of its name; good for unpaired use")


def _unread_findings(data: PairSet) -> Iterator[Finding]:
    paths = [*(image_path(record) for record in data.found), *data.others.values(), *data.alone]
    for folder in sorted({path.parent for path in paths}):
        for path in listing(folder):
            if path.is_file() and path.suffix.lower() not in IMAGES:
                yield Finding("note", str(path), "is not read")


def _half(path: Path, right: bool) -> NDArray[np.uint8]:
    image = read_image(path)
    width = image.shape[1]
    if width % 2:
        raise DataError(
            f"{path} cannot be halved",
            expected="two images of equal width side by side",
            found=f"{width} columns, an odd number",
            hint="replace the file",
        )
    middle = width // 2
    return np.ascontiguousarray(image[:, middle:] if right else image[:, :middle])


def _require_equal(first: Path, second: Path) -> None:
    one, two = image_size(first), image_size(second)
    if one != two:
        raise DataError(
            "the images of a pair differ in size",
            expected=f"{one[0]}x{one[1]} pixels (height x width), as {first} has",
            found=f"{two[0]}x{two[1]} pixels in {second}",
            hint="cut both to the same place; histokit never guesses how they lie",
        )
