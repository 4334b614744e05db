"""Reader of TNBC (Naylor et al.): an image and a binary mask of the same name in twin folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import EXPECTED, TNBC
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.layout import (
    by_stem,
    check_variant,
    files,
    find_parts,
    missing,
    natural,
    plain,
    subfolders,
)
from histokit.data.masks import components, foreground, is_noisy_binary, levels, without_pinholes
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image, read_mask

FOLDER = re.compile(r"(slide|gt)(\d+)")
LAST_BREAST_PATIENT = 11


@final
@dataclass(frozen=True)
class Tnbc(Dataset):
    """TNBC, opened. Nuclei are 8-connected pieces of the mask with holes of one pixel filled, so
    touching nuclei count as one.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; `variant` is empty or ``brain``. Raises DataError."""
        variant = check_variant(TNBC, variant)
        folder = _only(find_parts(root, TNBC, _is_part, _is_inside))
        images, masks = _twins(folder)
        if variant != "brain":
            images = {
                number: path for number, path in images.items() if number <= LAST_BREAST_PATIENT
            }
        records = [
            record
            for number, slide in images.items()
            for record in _records(number, slide, masks.get(number))
        ]
        if not records:
            raise missing(TNBC, root, f"no image in the Slide folders of {folder}")
        used = {path for record in records for path in record.labels}
        orphans = [path for number in images if number in masks for path in files(masks[number])]
        records.sort(key=lambda record: natural(record.key))
        return cls(tuple(records), tuple(p for p in orphans if p not in used), variant)

    def records(self) -> Sequence[Record]:
        """All images, by patient and number."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        (path,) = label_paths(record)
        mask = read_mask(path)
        require_same_size(record, path, mask.shape)
        return Labels(without_pinholes(components(foreground(mask))))

    def verify(self) -> Iterator[Finding]:
        """Counts, unpaired masks, masks of more than two values, and the shared checks."""
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from _value_findings(record)
        expected = EXPECTED["tnbc@brain" if self.variant == "brain" else "tnbc"]
        yield from shared_findings(self, expected)


def _is_part(folder: Path) -> bool:
    found = (FOLDER.fullmatch(plain(sub.name)) for sub in subfolders(folder))
    return any(match is not None and match[1] == "slide" for match in found)


def _is_inside(folder: Path) -> bool:
    return FOLDER.fullmatch(plain(folder.name)) is not None


def _only(parts: list[Path]) -> Path:
    if len(parts) > 1:
        raise DataError(
            "several copies of tnbc are here",
            expected="one",
            found=", ".join(str(part) for part in parts),
            hint="name the folder of one of them",
        )
    return parts[0]


def _twins(folder: Path) -> tuple[dict[int, Path], dict[int, Path]]:
    """The Slide and GT folders by patient number."""
    twins: dict[str, dict[int, Path]] = {"slide": {}, "gt": {}}
    for sub in subfolders(folder):
        match = FOLDER.fullmatch(plain(sub.name))
        if match is None:
            continue
        other = twins[match[1]].setdefault(int(match[2]), sub)
        if other != sub:
            raise DataError(
                "two folders stand for one patient", found=f"{other} and {sub}", hint="remove one"
            )
    return twins["slide"], twins["gt"]


def _records(number: int, slide: Path, masks: Path | None) -> Iterator[Record]:
    labels = {} if masks is None else by_stem(files(masks))
    for stem, image in by_stem(files(slide)).items():
        label = (labels[stem],) if stem in labels else ()
        yield Record(stem, f"{number:02d}", image, label, mpp=TNBC.mpp)


def _value_findings(record: Record) -> Iterator[Finding]:
    """What the values of a mask say; a mask that cannot be read is told by the shared checks."""
    for path in record.labels:
        try:
            values = levels(read_mask(path))
        except DataError:
            return
        if len(values) > 2 and is_noisy_binary(values):
            yield Finding("warning", str(path), "more than two values; cut at half the maximum")
        elif len(values) > 2:
            yield Finding("note", str(path), "cell types are read as one kind of nucleus")
