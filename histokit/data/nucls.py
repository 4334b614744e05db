"""Reader of NuCLS: fields of view with a table of outlines and boxes each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_classes import EXPECTED, NUCLS, NUCLS_MAIN, NUCLS_SUPER
from histokit.data.checks import image_path, label_paths, orphan_findings, shared_findings
from histokit.data.imagescope import Outlines, paint
from histokit.data.kinds import class_index
from histokit.data.layout import check_variant, child, files, find_parts, plain
from histokit.data.masks import levels, renumbered
from histokit.data.tables import read_table
from histokit.data.twins import Files, Twins, gather
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size, read_image
from histokit.io.limits import MAX_DRAWN

COLUMNS = ("type", "xmin", "ymin", "xmax", "ymax", "coords_x", "coords_y")
PATIENT = re.compile(r"TCGA-\w{2}-\w{4}")
TABLES = {
    "super": ("super_classification", NUCLS_SUPER),
    "main": ("main_classification", NUCLS_MAIN),
    "boxes": ("super_classification", NUCLS_SUPER),
}
"""The column of the class and the names of the classes, by variant."""


@dataclass(frozen=True, slots=True)
class Nuclei:
    """The rows of one table that a variant draws.

    Attributes:
        outlines: the rings in the order of the rows.
        names: what the table calls the class of each.
        boxes: how many rows have no outline and are left out.
    """

    outlines: Outlines
    names: tuple[str, ...]
    boxes: int


@final
@dataclass(frozen=True)
class NuCls(Dataset):
    """NuCLS, opened. Labels come from the tables, since the mask images do not tell outlines from
    boxes. Nuclei called AMBIGUOUS have no class. Of overlapping outlines the first keeps the
    pixels.

    Many nuclei have a box only; but for the variant ``boxes`` they are background, so scores of
    detection are not meant for it. The official folds are not read: a group is a patient.
    """

    twins: Twins
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(NUCLS, variant)
        parts = find_parts(root, NUCLS, _is_part, _is_inside)
        return cls(gather(parts, NUCLS, _record, _files), variant)

    def records(self) -> Sequence[Record]:
        """All fields of view, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The field, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of a field and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        nuclei = read_nuclei(path, self.variant)
        ids = paint(nuclei.outlines, image_size(image_path(record)))
        kinds = [class_index(name, TABLES[self.variant][1]) for name in nuclei.names]
        drawn = levels(ids)
        drawn = drawn[drawn > 0].tolist()
        classes = {new: kinds[old - 1] for new, old in enumerate(drawn, 1) if kinds[old - 1]}
        return Labels(renumbered(ids), classes)

    def verify(self) -> Iterator[Finding]:
        """Unpaired tables, boxes that are left out, unknown classes, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        for record in self.records():
            yield from self._row_findings(record)
        yield from shared_findings(self, EXPECTED["nucls"])

    def _row_findings(self, record: Record) -> Iterator[Finding]:
        """What is odd in a table; one that cannot be read is told by the shared checks."""
        for path in record.labels:
            try:
                nuclei = read_nuclei(path, self.variant)
            except DataError:
                return
            if nuclei.boxes:
                text = f"{nuclei.boxes} nuclei have a box only and are left out"
                yield Finding("note", str(path), text)
            if nuclei.outlines.short:
                text = f"{nuclei.outlines.short} outlines with fewer than 3 points are left out"
                yield Finding("warning", str(path), text)
            names = TABLES[self.variant][1]
            unknown = {name for name in nuclei.names if not class_index(name, names)}
            for name in sorted(unknown - {"AMBIGUOUS"}):
                text = f"the class {name!r} is not known; its nuclei have no class"
                yield Finding("warning", str(path), text)


def read_nuclei(path: Path, variant: str) -> Nuclei:
    """The rows of a table that a variant draws; the row of the field itself is none of them.

    Raises DataError, naming `path`.
    """
    name_column = TABLES[variant][0]
    rings: list[NDArray[np.float64]] = []
    names: list[str] = []
    boxes = short = 0
    for number, row in enumerate(read_table(path, *COLUMNS, name_column), start=2):
        if row.get("raw_classification", "").casefold() == "fov":
            continue
        is_box = row["type"].casefold() != "polyline"
        if is_box and variant != "boxes":
            boxes += 1
            continue
        ring = _ring(path, number, row, is_box)
        if len(ring) < 3:
            short += 1
            continue
        rings.append(ring)
        names.append(row[name_column])
    return Nuclei(Outlines(tuple(rings), short), tuple(names), boxes)


def _ring(path: Path, number: int, row: Mapping[str, str], is_box: bool) -> NDArray[np.float64]:
    """The vertices of a row, float64 [V 2], the first not repeated at the end."""
    try:
        if is_box:
            left, top, right, bottom = (float(row[name]) for name in COLUMNS[1:5])
            xs, ys = [left, right, right, left], [top, top, bottom, bottom]
        else:
            xs, ys = (
                [float(word) for word in row[name].split(",") if word] for name in COLUMNS[5:]
            )
        ring = np.array(list(zip(xs, ys, strict=True)), np.float64).reshape(-1, 2)
    except ValueError as error:
        raise _bad_row(path, number, str(error)) from error
    if not (np.abs(ring) <= MAX_DRAWN).all():  # NaN fails too
        raise _bad_row(path, number, "a vertex far outside of any image")
    closed = len(ring) > 1 and (ring[0] == ring[-1]).all()
    return ring[:-1] if closed else ring


def _bad_row(path: Path, number: int, found: str) -> DataError:
    return DataError(
        f"cannot read row {number} of {path}",
        expected="as many numbers in coords_x as in coords_y, and four sides of a box",
        found=found,
        hint="get the file again",
    )


def _is_part(folder: Path) -> bool:
    images = child(folder, ("rgb",))
    return images is not None and bool(files(images, (".png",)))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in ("rgb", "csv", "mask", "visualization")


def _files(part: Path) -> Files:
    """The images and tables of a folder, by stem; the table of all fields is none of them."""
    images, tables = child(part, ("rgb",)), child(part, ("csv",))
    found = {} if images is None else {path.stem: path for path in files(images, (".png",))}
    paths = [] if tables is None else files(tables, (".csv",))
    rows = {path.stem: path for path in paths if path.stem.casefold() != "all_fov_locations"}
    return found, rows


def _record(_: str, image: Path, labels: tuple[Path, ...]) -> Record:
    patient = PATIENT.search(image.stem)
    group = image.stem if patient is None else patient[0]
    return Record(image.stem, group, image, labels, None, NUCLS.mpp)
