"""Reader of Lizard: regions in two image folders, MATLAB labels in a third."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_classes import EXPECTED, LIZARD, LIZARD_CLASSES
from histokit.data.checks import (
    count_findings,
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.kinds import class_findings, require_classes, twice
from histokit.data.layout import check_variant, existing, files, missing, natural, plain
from histokit.data.masks import levels, renumbered
from histokit.data.matfiles import column, id_map, read_mat
from histokit.data.tables import read_table
from histokit.data.trees import below, climb
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image

IMAGES = re.compile(r"(lizard)?images?\d*")
LABELS = re.compile(r"(lizard)?labels")


@final
@dataclass(frozen=True)
class Lizard(Dataset):
    """Lizard, opened. Row k of the lists ``id`` and ``class`` says the class of the nucleus
    ``id[k]``; the ids are neither sorted nor without gaps, and some rows have no pixel.

    The official folds come from ``info.csv``; without it no record has a part.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    info: Path | None
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(LIZARD, variant)
        start = climb(existing(root, LIZARD), _is_inside)
        images, labels, infos = _files(start)
        if not images:
            raise missing(LIZARD, root)
        info = infos[0] if infos else None
        folds = {} if info is None else _folds(info)
        found = []
        for stem in sorted(images, key=natural):
            label = (labels[stem],) if stem in labels else ()
            source = stem.rpartition("_")[0] or stem
            group = source if variant == "sources" else stem
            split = _split(variant, folds.get(stem))
            found.append(Record(stem, group, images[stem], label, split, LIZARD.mpp))
        orphans = tuple(path for stem, path in labels.items() if stem not in images)
        return cls(tuple(found), orphans, info, variant)

    def records(self) -> Sequence[Record]:
        """All regions, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The region, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of a region and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        ids, kinds = _read(path)
        require_same_size(record, path, ids.shape)
        present = levels(ids)
        present = present[present > 0].tolist()
        classes = {new: kinds[old] for new, old in enumerate(present, start=1) if old in kinds}
        return Labels(renumbered(ids), classes)

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, lists that do not fit their map, and the shared checks."""
        if self.info is None:
            text = "is missing; the official folds are not known"
            yield Finding("warning", "info.csv", text)
        yield from orphan_findings(self.orphans)
        for record in self.found:
            yield from _list_findings(record)
            if self.info is not None and record.split is None and self.variant != "sources":
                yield Finding("warning", str(record.image), f"has no fold in {self.info}")
        yield from class_findings(self, self.found)
        whole = [Record(record.key, record.group) for record in self.found]
        yield from count_findings(whole, EXPECTED["lizard"])
        yield from shared_findings(self)


def _is_inside(name: str) -> bool:
    name = plain(name)
    return IMAGES.fullmatch(name) is not None or LABELS.fullmatch(name) is not None


def _files(start: Path) -> tuple[dict[str, Path], dict[str, Path], list[Path]]:
    """The images and labels by stem, and the lists of folds."""
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    infos: list[Path] = []
    for folder in below(start):
        name = plain(folder.name)
        infos += [path for path in files(folder, (".csv",)) if path.name.casefold() == "info.csv"]
        if IMAGES.fullmatch(name):
            _index(images, files(folder, (".png", ".tif", ".tiff")))
        if LABELS.fullmatch(name):
            _index(labels, files(folder, (".mat",)))
    return images, labels, infos


def _index(found: dict[str, Path], paths: list[Path]) -> None:
    for path in paths:
        other = found.setdefault(path.stem, path)
        if other != path:
            raise twice("lizard", path.stem, other, path)


def _folds(info: Path) -> dict[str, int]:
    """The fold, 1 to 3, of each region. Raises DataError."""
    folds: dict[str, int] = {}
    for row in read_table(info, "filename", "split"):
        if row["split"] not in ("1", "2", "3"):
            raise DataError(
                f"cannot read {info}",
                expected="1, 2 or 3 in the column Split",
                found=f"{row['split']!r} for {row['filename']}",
                hint="get the file again",
            )
        folds[re.sub(r"\.(png|mat|tiff?)$", "", row["filename"])] = int(row["split"])
    return folds


def _split(variant: str, fold: int | None) -> str | None:
    if variant == "sources" or fold is None:
        return None
    return "test" if variant == f"fold{fold}" else "train"


def _read(path: Path) -> tuple[NDArray[np.int32], Mapping[int, int]]:
    """The map of ids as in the file, and the class of each id that has one."""
    found = read_mat(path, "inst_map", "id", "class")
    ids = id_map(path, "inst_map", found["inst_map"])
    if "id" not in found or "class" not in found:
        return ids, {}
    numbers = column(path, "id", found["id"])
    kinds = column(path, "class", found["class"])
    if len(numbers) != len(kinds):
        raise DataError(
            f"{path} does not say the class of each nucleus",
            expected=f"{len(numbers)} rows in class, as in id",
            found=f"{len(kinds)} rows",
            hint="get the file again",
        )
    require_classes(str(path), kinds, LIZARD_CLASSES)
    return ids, {n: k for n, k in zip(numbers.tolist(), kinds.tolist(), strict=True) if k > 0}


def _list_findings(record: Record) -> Iterator[Finding]:
    """Rows without a pixel; files that cannot be read are told by the shared checks."""
    for path in record.labels:
        try:
            ids, kinds = _read(path)
        except DataError:
            return
        lost = len(set(kinds) - set(levels(ids).tolist()))
        if lost:
            yield Finding("warning", str(path), f"{lost} listed nuclei have no pixel")
