"""Reader of CoNIC 2022: one array of patches, one of labels, and two lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_bytes, exact_ids, open_array
from histokit.data.cards_classes import CONIC, EXPECTED, LIZARD_CLASSES
from histokit.data.checks import label_paths, shared_findings
from histokit.data.kinds import class_findings, majority, require_classes
from histokit.data.layout import check_variant, find_parts
from histokit.data.masks import renumbered
from histokit.data.tables import read_table
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record

COUNTED, PATCH = 224, 256
"""``counts.csv`` counts the nuclei that touch the middle 224 of 256 pixels."""
NO_INFO = "all patches"


@final
@dataclass(frozen=True)
class Conic(Dataset):
    """CoNIC, opened. Neighbouring patches overlap, so the group is the source region: the part
    before the last hyphen of ``patch_info.csv``. Without that file all patches are one group,
    which no split will part. There is no official test part.
    """

    folder: Path
    found: tuple[Record, ...]
    rows: dict[str, int]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError and UnknownName."""
        check_variant(CONIC, variant)
        parts = find_parts(root, CONIC, _is_part, lambda _: False)
        if len(parts) > 1:
            raise DataError(
                "several copies of conic are here",
                expected="one",
                found=", ".join(str(part) for part in parts),
                hint="name the folder of one of them",
            )
        folder = parts[0]
        keys = _keys(folder)
        rows = {key: row for row, (key, _) in enumerate(keys)}
        if len(rows) < len(keys):
            raise DataError(f"{folder / 'patch_info.csv'} names patches twice")
        labels = (folder / "labels.npy",) if (folder / "labels.npy").is_file() else ()
        found = tuple(
            Record(key, group, folder / "images.npy", labels, None, CONIC.mpp)
            for key, group in keys
        )
        return cls(folder, found, rows)

    def records(self) -> Sequence[Record]:
        """All patches, in the order of the file."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The patch, uint8 [H W 3]. Raises DataError with the path."""
        path, row = self.folder / "images.npy", self.rows[record.key]
        return exact_bytes(f"{path}[{row}]", open_array(path, None, None, None, 3)[row])

    def labels(self, record: Record) -> Labels:
        """The nuclei of a patch and their classes. Raises DataError with the path."""
        label_paths(record)
        path, row = self.folder / "labels.npy", self.rows[record.key]
        pair = np.array(open_array(path, len(self.found), None, None, 2)[row])
        return _labels(f"{path}[{row}]", pair)

    def verify(self) -> Iterator[Finding]:
        """Missing lists, counts that differ, nuclei without class, and the shared checks."""
        if not (self.folder / "patch_info.csv").is_file():
            text = "is missing; source regions are not known, so the patches cannot be split"
            yield Finding("warning", str(self.folder / "patch_info.csv"), text)
        yield from self._count_findings()
        named = replace(self, found=tuple(self._with_row(record) for record in self.found))
        yield from class_findings(named, named.found)
        yield from shared_findings(named, EXPECTED["conic"])

    def _with_row(self, record: Record) -> Record:
        """The record with the row in its file names, for findings."""
        row = self.rows[record.key]
        labels = tuple(Path(f"{path}[{row}]") for path in record.labels)
        return replace(record, image=Path(f"{record.image}[{row}]"), labels=labels)

    def _count_findings(self) -> Iterator[Finding]:
        """Whether ``counts.csv`` agrees with the labels."""
        path = self.folder / "counts.csv"
        if not path.is_file():
            yield Finding("note", str(path), "is missing; it is not needed to train")
            return
        try:
            table = read_table(path, *LIZARD_CLASSES)
            counts = [[int(float(row[name])) for name in LIZARD_CLASSES] for row in table]
        except (DataError, ValueError) as error:
            yield Finding("warning", str(path), str(error))
            return
        if len(counts) != len(self.found):
            text = f"has {len(counts)} rows, there are {len(self.found)} patches"
            yield Finding("warning", str(path), text)
            return
        differ = [row for row, r in enumerate(self.found) if self._differs(r, counts[row])]
        if differ:
            text = f"does not fit the labels of {len(differ)} patches, first of row {differ[0]}"
            yield Finding("warning", str(path), text)

    def _differs(self, record: Record, counts: list[int]) -> bool:
        """Whether the counts differ; labels that cannot be read are told by the shared checks."""
        if not record.labels:
            return False
        try:
            return count_middle(self.labels(record)) != counts
        except DataError:
            return False


def count_middle(labels: Labels) -> list[int]:
    """How many nuclei of each class touch the middle of a patch (224 of 256 pixels)."""
    height, width = labels.ids.shape
    top, left = (side * (PATCH - COUNTED) // (2 * PATCH) for side in (height, width))
    inside = np.unique(labels.ids[top : height - top, left : width - left])
    counts = [0] * len(LIZARD_CLASSES)
    for number in inside[inside > 0].tolist():
        if number in labels.classes:
            counts[labels.classes[number] - 1] += 1
    return counts


def _is_part(folder: Path) -> bool:
    """Whether a folder holds images beside labels or one of the lists."""
    others = ("labels.npy", "patch_info.csv", "counts.csv")
    return (folder / "images.npy").is_file() and any((folder / n).is_file() for n in others)


def _keys(folder: Path) -> list[tuple[str, str]]:
    """Key and group of each patch. Raises DataError where the files differ in length."""
    shape = open_array(folder / "images.npy", None, None, None, 3).shape
    labels, info = folder / "labels.npy", folder / "patch_info.csv"
    if labels.is_file():
        found = open_array(labels, None, None, None, 2).shape
        if found[:3] != shape[:3]:
            raise _mismatch(labels, folder, list(shape[:3]), list(found[:3]))
    if not info.is_file():
        return [(str(row), NO_INFO) for row in range(shape[0])]
    names = [row["patch_info"] for row in read_table(info, "patch_info")]
    if len(names) != shape[0]:
        raise _mismatch(info, folder, shape[0], len(names))
    return [(name, name.rpartition("-")[0] or name) for name in names]


def _mismatch(path: Path, folder: Path, expected: object, found: object) -> DataError:
    return DataError(
        f"{path} does not fit {folder / 'images.npy'}",
        expected=f"{expected} patches",
        found=f"{found}",
        hint="get both files again",
    )


def _labels(where: str, pair: NDArray[Any]) -> Labels:
    ids, kinds = exact_ids(where, pair[..., 0]), exact_ids(where, pair[..., 1])
    require_classes(where, kinds, LIZARD_CLASSES)
    ids = renumbered(ids)
    return Labels(ids, majority(ids, kinds))
