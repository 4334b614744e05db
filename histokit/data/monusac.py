"""Reader of MoNuSAC 2020: a folder a patient, outlines in ImageScope XML with a class each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_classes import EXPECTED, MONUSAC
from histokit.data.checks import image_path, label_paths, orphan_findings, shared_findings
from histokit.data.imagescope import Outlines, paint, read_mpp, read_outlines
from histokit.data.kinds import class_index, twice
from histokit.data.layout import (
    by_stem,
    check_variant,
    files,
    find_parts,
    natural,
    plain,
    subfolders,
)
from histokit.data.masks import levels, renumbered
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size, read_image

TIFF, SLIDE, XML = (".tif", ".tiff"), (".svs",), (".xml",)
AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Named:
    """The regions of one file without the ambiguous ones.

    Attributes:
        outlines: see `Outlines`.
        names: what the file calls the class of each ring.
        ambiguous: how many regions are left out.
    """

    outlines: Outlines
    names: tuple[str, ...]
    ambiguous: int


@final
@dataclass(frozen=True)
class MoNuSac(Dataset):
    """MoNuSAC, opened. Of overlapping outlines the first keeps the pixels. Regions that the test
    annotation calls ambiguous are no nuclei here; the challenge leaves them out of its scores,
    histokit counts what is found in them as false.

    Where the TIFF is missing the small slide of the same name is read. Two patients lie in both
    parts of the official split, which is kept as it is.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`: training, test or both; no variants. Raises DataError."""
        check_variant(MONUSAC, variant)
        records: dict[str, Record] = {}
        orphans: list[Path] = []
        for part in find_parts(root, MONUSAC, _is_part, _is_patient):
            for folder in filter(_is_patient, subfolders(part)):
                images, xmls = _files(folder)
                orphans += [path for stem, path in xmls.items() if stem not in images]
                for stem, image in images.items():
                    _add(records, _record(part, image, xmls.get(stem)))
        found = sorted(records.values(), key=lambda record: natural(record.key))
        return cls(tuple(found), tuple(orphans))

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image; one whose class has an unknown name has none. Raises DataError
        with the path.
        """
        (path,) = label_paths(record)
        regions = read_named(path)
        ids = paint(regions.outlines, image_size(image_path(record)))
        kinds = [class_index(name, MONUSAC.classes) for name in regions.names]
        drawn = levels(ids)
        drawn = drawn[drawn > 0].tolist()
        classes = {new: kinds[old - 1] for new, old in enumerate(drawn, 1) if kinds[old - 1]}
        return Labels(renumbered(ids), classes)

    def verify(self) -> Iterator[Finding]:
        """Unpaired and odd annotations, unknown classes, and the shared checks."""
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from _region_findings(record)
        yield from shared_findings(self, EXPECTED["monusac"])


def read_named(path: Path) -> Named:
    """The regions of an XML file with the name of their class: that of the attribute of their
    annotation, or else the annotation's own. Raises DataError.
    """
    outlines = read_outlines(path)  # refuses damaged and dangerous files
    names: list[str] = []
    for annotation in ElementTree.parse(path).getroot().iter("Annotation"):
        name = _class_name(annotation)
        regions = annotation.iter("Region")
        names += [name for region in regions if _corners(region) >= 3]
    if len(names) != len(outlines.rings):
        raise DataError(
            f"cannot read {path}",
            expected="each Region in one Annotation",
            found=f"{len(outlines.rings)} regions, of which {len(names)} in annotations",
            hint="get the file again",
        )
    kept = [n for n, name in enumerate(names) if plain(name) != AMBIGUOUS]
    rings = tuple(outlines.rings[n] for n in kept)
    left_out = len(names) - len(kept)
    return Named(Outlines(rings, outlines.short), tuple(names[n] for n in kept), left_out)


def _class_name(annotation: ElementTree.Element) -> str:
    names = [item.get("Name", "").strip() for item in annotation.iterfind("Attributes/Attribute")]
    return next(filter(None, names), annotation.get("Name", "").strip())


def _corners(region: ElementTree.Element) -> int:
    """The number of vertices without a last one that repeats the first."""
    points = [(float(v.attrib["X"]), float(v.attrib["Y"])) for v in region.iter("Vertex")]
    return len(points) - (len(points) > 1 and points[0] == points[-1])


def _is_patient(folder: Path) -> bool:
    return plain(folder.name).startswith("tcga")


def _is_part(folder: Path) -> bool:
    patients = filter(_is_patient, subfolders(folder))
    return any(files(patient, (*TIFF, *SLIDE, *XML)) for patient in patients)


def _files(folder: Path) -> tuple[Mapping[str, Path], Mapping[str, Path]]:
    """The images and annotations of a patient, by stem; a TIFF goes before a slide."""
    slides = by_stem(files(folder, SLIDE))
    return slides | by_stem(files(folder, TIFF)), by_stem(files(folder, XML))


def _record(part: Path, image: Path, xml: Path | None) -> Record:
    patient = "-".join(image.stem.split("-")[:3])
    split = "test" if "test" in plain(part.name) else "train"
    mpp = read_mpp(xml) if xml else None
    return Record(image.stem, patient, image, (xml,) if xml else (), split, mpp)


def _add(records: dict[str, Record], record: Record) -> None:
    """Adds a record. A name that both parts use gets the part in front for its second image.

    Raises DataError where one part has an image twice.
    """
    other = records.get(record.key)
    if other is not None and other.split != record.split:
        record = replace(record, key=f"{record.split}-{record.key}")
        other = records.get(record.key)
    if other is not None:
        raise twice("monusac", record.key, other.image, record.image)
    records[record.key] = record


def _region_findings(record: Record) -> Iterator[Finding]:
    """What is odd in an annotation; one that cannot be read is told by the shared checks."""
    for path in record.labels:
        try:
            regions = read_named(path)
            drawn = len(levels(paint(regions.outlines, image_size(image_path(record))))) - 1
        except DataError:
            return
        if record.mpp is None:
            yield Finding("note", str(path), "does not say the micrometres a pixel")
        if regions.outlines.short:
            text = f"{regions.outlines.short} regions with fewer than 3 vertices are left out"
            yield Finding("warning", str(path), text)
        if regions.ambiguous:
            text = f"{regions.ambiguous} ambiguous regions are left out"
            yield Finding("note", str(path), text)
        lost = len(regions.names) - drawn
        if lost > 0:
            text = f"{lost} regions have no pixel: outside the image, empty or covered"
            yield Finding("warning", str(path), text)
        for name in sorted({n for n in regions.names if not class_index(n, MONUSAC.classes)}):
            text = f"the class {name!r} is not known; its nuclei have no class"
            yield Finding("warning", str(path), text)
