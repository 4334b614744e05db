"""Readers of breast ultrasound with one lesion mask an image: UDIAT (Dataset B) and US-TNBC."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import EXPECTED, UDIAT, US_TNBC
from histokit.data.checks import image_path, orphan_findings, shared_findings
from histokit.data.kinds import class_index
from histokit.data.layout import check_variant, child, files, find_parts, plain
from histokit.data.pairing import pair
from histokit.data.regions import read_regions, region_findings
from histokit.data.sheets import read_sheet
from histokit.data.twins import Files, Twins, gather
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.interfaces.spec import DatasetSpec
from histokit.io.images import read_image

IMAGES = ("original", "images", "image", "imgs")
MASKS = ("GT", "masks", "mask", "labels", "Ground Truth")


@final
@dataclass(frozen=True)
class Udiat(Dataset):
    """UDIAT Dataset B, opened. Lesions are 8-connected pieces of the mask and have the class of
    their image, where the sheet beside the images says it; without the sheet they have none.
    """

    twins: Twins
    kinds: Mapping[str, int]
    bad_sheet: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        check_variant(UDIAT, variant)
        parts = find_parts(root, UDIAT, _is_udiat, _is_inside)
        twins = _gathered(parts, UDIAT)
        sheets = [path for part in parts for path in files(part, (".xlsx",))]
        try:
            found = [_sheet_kinds(path) for path in sheets]
        except DataError as error:
            return cls(twins, {}, str(error))
        return cls(twins, {number: kind for kinds in found for number, kind in kinds.items()}, "")

    def records(self) -> Sequence[Record]:
        """All images, by number, which has gaps."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, grey repeated to uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The lesions of an image and their class. Raises DataError with the path."""
        ids = read_regions(record)
        kind = self.kinds.get(_number(record.key), 0)
        return Labels(ids, {n: kind for n in range(1, int(ids.max(initial=0)) + 1) if kind})

    def verify(self) -> Iterator[Finding]:
        """What the sheet says, unpaired masks, masks of more than two values, and the shared
        checks.
        """
        yield from self._sheet_findings()
        yield from _mask_findings(self.twins)
        yield from shared_findings(self, EXPECTED["udiat"])

    def _sheet_findings(self) -> Iterator[Finding]:
        if not self.kinds:
            text = self.bad_sheet or "is missing, or has no row of a number and a type"
            yield Finding("warning", "sheet", f"{text}; lesions have no class")
            return
        counts = Counter(self.kinds.values())
        named = (f"{counts[n]} {name}" for n, name in enumerate(UDIAT.classes, start=1))
        yield Finding("note", "sheet", "says " + ", ".join(named))
        for record in self.records():
            if _number(record.key) not in self.kinds:
                yield Finding("warning", str(record.image), "is not in the sheet; has no class")


@final
@dataclass(frozen=True)
class UsTnbc(Dataset):
    """US-TNBC, opened. Its layout is not public: read are two folders of images and of masks with
    the same names (see `histokit.data.pairing`). Lesions are 8-connected pieces of the mask.
    """

    twins: Twins

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        check_variant(US_TNBC, variant)
        parts = find_parts(root, US_TNBC, _is_part, _is_inside)
        if len(parts) > 1:
            raise DataError(
                f"several pairs of folders in {root} could be us-tnbc",
                expected="one",
                found=", ".join(str(part) for part in parts[:5]) + (" ..." if parts[5:] else ""),
                hint="name the folder of one of them",
            )
        return cls(_gathered(parts, US_TNBC))

    def records(self) -> Sequence[Record]:
        """All images, by name; patients are not known, so each is its own group."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, grey repeated to uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The lesions of an image. Raises DataError with the path."""
        return Labels(read_regions(record))

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, masks of more than two values, and the shared checks."""
        yield Finding("note", "layout", "how the set is given out is not public; please check")
        yield from _mask_findings(self.twins)
        yield from shared_findings(self)


def _number(name: str) -> str:
    """The number of an image from its file name or a cell, without zeros in front."""
    return re.sub(r"\.(png|0+)$", "", name.strip().casefold()).lstrip("0")


def _sheet_kinds(path: Path) -> dict[str, int]:
    """The class of each image by number, from the rows of a sheet that hold a number, or the name
    of a file, and a type. Its columns are not documented. Raises DataError.
    """
    kinds: dict[str, int] = {}
    for cells in read_sheet(path):
        numbers = [_number(cell) for cell in cells if _number(cell).isdecimal()]
        named = [class_index(cell, UDIAT.classes) for cell in cells]
        if numbers and any(named):
            kinds[numbers[0]] = next(filter(None, named))
    return kinds


def _is_part(folder: Path) -> bool:
    """Whether a folder holds a folder of images; that of the masks may be missing."""
    images = child(folder, IMAGES)
    return images is not None and bool(files(images))


def _is_udiat(folder: Path) -> bool:
    """The same, for images that are numbered."""
    images = child(folder, IMAGES)
    return images is not None and any(path.stem.isdecimal() for path in files(images))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in {plain(name) for name in (*IMAGES, *MASKS)}


def _gathered(parts: Sequence[Path], spec: DatasetSpec) -> Twins:
    """The records of all parts, each image its own group."""

    def make(_: str, image: Path, labels: tuple[Path, ...]) -> Record:
        return Record(image.stem, image.stem, image, labels)

    return gather(parts, spec, make, _files)


def _files(part: Path) -> Files:
    """The images and masks of a part, by the stem of the image."""
    pairs = pair(part)
    return pairs.images, {**pairs.masks, **{path.stem: path for path in pairs.orphans}}


def _mask_findings(twins: Twins) -> Iterator[Finding]:
    yield from orphan_findings(twins.orphans)
    for record in twins.records:
        yield from region_findings(record)
