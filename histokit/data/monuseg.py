"""Reader of MoNuSeg 2018: TIFF images with outlines in ImageScope XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import EXPECTED, MONUSEG
from histokit.data.checks import image_path, label_paths, orphan_findings, shared_findings
from histokit.data.imagescope import paint, read_mpp, read_outlines
from histokit.data.layout import by_stem, check_variant, child, files, find_parts, natural, plain
from histokit.data.masks import renumbered
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size, read_image

TIFF = (".tif", ".tiff")
LATER = frozenset(
    f"TCGA-{patient}"
    for patient in ["FG-A87N", "MH-A561", "UZ-A9PN", "UZ-A9PJ", "F9-A8NY", "BC-A217", "XS-A8TJ"]
)
"""Training patients that were added after the paper of 2017."""
TEST = frozenset(
    f"TCGA-{patient}"
    for patient in [
        "2Z-A9J9",
        "44-2665",
        "69-7764",
        "A6-6782",
        "AC-A2FO",
        "AO-A0J2",
        "CU-A0YN",
        "EJ-A46H",
        "FG-A4MU",
        "GL-6846",
        "HC-7209",
        "HT-8564",
        "IZ-8196",
        "ZF-A9R5",
    ]
)


@final
@dataclass(frozen=True)
class MoNuSeg(Dataset):
    """MoNuSeg, opened. Of overlapping outlines the first keeps the pixels, as in the official
    script; every region counts, also those marked as negative.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`: training, test or both. Raises DataError."""
        variant = check_variant(MONUSEG, variant)
        records: dict[str, Record] = {}
        orphans: list[Path] = []
        for part in find_parts(root, MONUSEG, _is_part, _is_inside):
            images, xmls = _files(part)
            orphans += [path for stem, path in xmls.items() if stem not in images]
            for stem, image in images.items():
                record = _record(part, image, xmls.get(stem))
                other = records.setdefault(stem, record)
                if other is not record:
                    raise _twice(other, record)
        kept = [r for r in records.values() if variant != "classic30" or r.group not in LATER]
        if not kept:
            raise DataError(f"no monuseg image of variant {variant} in {root}")
        kept.sort(key=lambda record: natural(record.key))
        return cls(tuple(kept), tuple(orphans), variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        (path,) = label_paths(record)
        return Labels(renumbered(paint(read_outlines(path), image_size(image_path(record)))))

    def verify(self) -> Iterator[Finding]:
        """Counts, unpaired and odd annotations, and the shared checks."""
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from _outline_findings(record)
        yield from shared_findings(self, EXPECTED[f"monuseg@{self.variant}"])


def _is_part(folder: Path) -> bool:
    """Whether a folder holds a training part (two subfolders) or a flat one (tif beside xml)."""
    if child(folder, ("Tissue Images",)) is not None:
        return True
    return bool(files(folder, TIFF)) and bool(files(folder, (".xml",)))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in ("tissueimages", "annotations")


def _files(part: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """The images and annotations of a part, by stem."""
    images = child(part, ("Tissue Images",))
    if images is None:
        return by_stem(files(part, TIFF)), by_stem(files(part, (".xml",)))
    xmls = child(part, ("Annotations",))
    return by_stem(files(images, TIFF)), by_stem(files(xmls, (".xml",))) if xmls else {}


def _record(part: Path, image: Path, xml: Path | None) -> Record:
    patient = "-".join(image.stem.split("-")[:3])
    name = plain(part.name)
    if "test" in name or "train" in name:
        split = "test" if "test" in name else "train"
    else:
        split = "test" if patient in TEST else "train"
    mpp = read_mpp(xml) if xml else None
    return Record(image.stem, patient, image, (xml,) if xml else (), split, mpp)


def _twice(first: Record, second: Record) -> DataError:
    return DataError(
        f"image {first.key} is here twice",
        expected="one copy of monuseg",
        found=f"{first.image} and {second.image}",
        hint="name the folder of one copy",
    )


def _outline_findings(record: Record) -> Iterator[Finding]:
    """What is odd in an annotation; one that cannot be read is told by the shared checks."""
    for path in record.labels:
        try:
            outlines = read_outlines(path)
            shape = image_size(image_path(record))
        except DataError:
            return
        if record.mpp is None:
            yield Finding("note", str(path), "does not say the micrometres a pixel")
        if outlines.short:
            text = f"{outlines.short} regions with fewer than 3 vertices are left out"
            yield Finding("warning", str(path), text)
        drawn = len(np.unique(paint(outlines, shape))) - 1
        lost = len(outlines.rings) - drawn
        if lost > 0:
            text = f"{lost} regions have no pixel: outside the image, empty or covered"
            yield Finding("warning", str(path), text)
