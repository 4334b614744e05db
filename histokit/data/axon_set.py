"""A set of axons and myelin, opened: what its readers share."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from histokit.data.axon_masks import (
    ROLES,
    mask_findings,
    objects,
    read_tissue,
    require_content,
    role_of,
)
from histokit.data.bids import PixelSize
from histokit.data.cards_axons import EXPECTED, INVERTED
from histokit.data.checks import image_path, orphan_findings, shared_findings
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.interfaces.spec import DatasetSpec
from histokit.io.images import read_image

SQUARE = 0.01
"""Relative difference of the sides of a pixel that is not worth a word."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a set of axons and myelin holds.

    Attributes:
        records: in natural order of their keys; labels in the order of `ROLES`.
        sizes: the pixel size of images where a file says it, by key.
        orphans: masks, or folders of masks, without image.
        others: what is not read: masks of nuclei and so on, images of another kind.
    """

    records: tuple[Record, ...]
    sizes: Mapping[str, PixelSize]
    orphans: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class AxonSet(Dataset):
    """A set of axons and myelin, opened.

    Classes are 1 axon and 2 myelin. Each connected piece is an object; sheaths that touch are one.

    Attributes:
        spec: the card.
        contents: what was found on disk.
        variant: ``both``, ``axon``, ``myelin`` or ``inverted``.
    """

    spec: ClassVar[DatasetSpec]
    contents: Contents
    variant: str

    @classmethod
    @abstractmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`. Raises DataError."""

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.contents.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3], grey repeated. Raises DataError with the path."""
        path = image_path(record)
        require_content(path)
        image = read_image(path)
        return 255 - image if self.variant == INVERTED else image

    def labels(self, record: Record) -> Labels:
        """The axons and sheaths of an image. Raises DataError with the path."""
        return objects(read_tissue(record), "both" if self.variant == INVERTED else self.variant)

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, pixel sizes, odd grey levels, and the shared checks."""
        yield from orphan_findings(self.contents.orphans)
        for path in self.contents.others:
            yield Finding("note", str(path), "is not read")
        yield from self._size_findings()
        for record in self.contents.records:
            yield from mask_findings(record)
        yield from shared_findings(self, EXPECTED[self.spec.name])

    def _size_findings(self) -> Iterator[Finding]:
        for record in self.contents.records:
            size = self.contents.sizes.get(record.key)
            if size is None:
                yield Finding("warning", str(record.image), "no file says its pixel size")
            elif abs(size.x / size.y - 1) > SQUARE:
                text = f"pixels of {size.x:g} by {size.y:g} µm are taken as square"
                yield Finding("warning", str(record.image), text)
        for path, count in Counter(size.source for size in self.contents.sizes.values()).items():
            if count > 1:
                yield Finding("note", str(path), f"gives the pixel size of {count} images")


def in_order(masks: Sequence[Path]) -> tuple[Path, ...]:
    """The masks that are read, in the order of `ROLES`. Raises DataError for two of one role."""
    found = {role: [path for path in masks if role_of(path) == role] for role in ROLES}
    for role, paths in found.items():
        if len(paths) > 1:
            raise DataError(
                f"several masks of {role} for one image",
                expected="one of each kind",
                found=" and ".join(str(path) for path in paths),
                hint="remove all but one",
            )
    return tuple(path for paths in found.values() for path in paths)


def square(size: PixelSize | None) -> float | None:
    """The side of a square pixel of the same area."""
    return None if size is None else sqrt(size.x * size.y)
