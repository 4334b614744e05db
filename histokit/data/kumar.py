"""Reader of Kumar et al. 2017: thirty images of MoNuSeg in the split of HoVer-Net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_classes import EXPECTED, KUMAR
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.imagescope import paint, read_mpp, read_outlines
from histokit.data.layout import by_stem, check_variant, child, files, find_parts, plain
from histokit.data.masks import renumbered
from histokit.data.matfiles import id_map, read_mat
from histokit.data.twins import INSIDE, Files, gather, is_twin_part, twin_files
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size, read_image

TIFF, XML = (".tif", ".tiff"), (".xml",)
TRAIN = frozenset(
    [
        "18-5592",
        "21-5784",
        "38-6178",
        "50-5931",
        "A7-A13E",
        "AR-A1AK",
        "AR-A1AS",
        "B0-5711",
        "E2-A14V",
        "G9-6348",
        "G9-6356",
        "G9-6362",
        "G9-6363",
        "HE-7128",
        "HE-7129",
        "HE-7130",
    ]
)
SAME = frozenset(
    ["21-5786", "49-4488", "A7-A13F", "B0-5698", "B0-5710", "CH-5767", "E2-A1B5", "G9-6336"]
)
DIFFERENT = frozenset(["AY-A8YK", "DK-A2I6", "G2-A2EK", "KB-A93J", "NH-A8F7", "RD-A8N9"])
TESTED = {"all": SAME | DIFFERENT, "same": SAME, "different": DIFFERENT}
"""Patients of the test part, by variant."""


@final
@dataclass(frozen=True)
class Kumar(Dataset):
    """Kumar, opened, from the training folder of MoNuSeg or from a copy prepared for HoVer-Net.

    The part of an image goes by its patient, not by its folder; images of other patients are left
    aside. Of overlapping outlines the first keeps the pixels. The six cases published as liver
    carry the codes of lung projects.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(KUMAR, variant)
        parts = find_parts(root, KUMAR, _is_part, _is_inside)
        twins = gather(parts, KUMAR, _record, _files)
        wanted = {f"TCGA-{patient}" for patient in TRAIN | TESTED[variant]}
        kept = tuple(record for record in twins.records if record.group in wanted)
        if not kept:
            raise DataError(f"no kumar image of variant {variant} in {root}")
        return cls(kept, twins.orphans, variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        (path,) = label_paths(record)
        if path.suffix.lower() in XML:
            return Labels(renumbered(paint(read_outlines(path), image_size(image_path(record)))))
        ids = id_map(path, "inst_map", read_mat(path, "inst_map")["inst_map"])
        require_same_size(record, path, ids.shape)
        return Labels(renumbered(ids))

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, counts, and the shared checks."""
        yield from orphan_findings(self.orphans)
        yield from shared_findings(self, EXPECTED[f"kumar@{self.variant}"])


def _is_outlined(folder: Path) -> bool:
    """Whether a folder is the training or test part of MoNuSeg."""
    if child(folder, ("Tissue Images",)) is not None:
        return True
    return bool(files(folder, TIFF)) and bool(files(folder, XML))


def _is_part(folder: Path) -> bool:
    return _is_outlined(folder) or is_twin_part(folder)


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in (*INSIDE, "tissueimages", "annotations")


def _files(part: Path) -> Files:
    """The images and labels of a part, by stem, of Kumar's patients only."""
    images, labels = _outlined(part) if _is_outlined(part) else twin_files(part)
    return _ours(images), _ours(labels)


def _outlined(part: Path) -> Files:
    """The images and annotations of a part of MoNuSeg, by stem."""
    images = child(part, ("Tissue Images",)) or part
    xmls = part if images == part else child(part, ("Annotations",))
    return by_stem(files(images, TIFF)), by_stem(files(xmls, XML)) if xmls else {}


def _ours(paths: Mapping[str, Path]) -> dict[str, Path]:
    known = TRAIN | SAME | DIFFERENT
    return {stem: path for stem, path in paths.items() if _patient(stem) in known}


def _patient(stem: str) -> str:
    return "-".join(stem.split("-")[1:3]).upper()


def _record(_: str, image: Path, labels: tuple[Path, ...]) -> Record:
    patient = _patient(image.stem)
    xml = next((path for path in labels if path.suffix.lower() in XML), None)
    mpp = None if xml is None else read_mpp(xml)
    split = "train" if patient in TRAIN else "test"
    return Record(image.stem, f"TCGA-{patient}", image, labels, split, mpp)
