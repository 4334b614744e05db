"""Readers of CPM-15 and CPM-17: maps of nuclei in MATLAB files, or as text beside the images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_ids, open_array
from histokit.data.cards_classes import CPM15, CPM17, EXPECTED
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.layout import by_stem, check_variant, files, find_parts
from histokit.data.masks import renumbered
from histokit.data.matfiles import id_map, read_mat
from histokit.data.twins import (
    IMAGES,
    Files,
    Twins,
    gather,
    is_inside_twin,
    is_twin_part,
    part_split,
    twin_files,
)
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.interfaces.spec import DatasetSpec
from histokit.io.images import read_image

TEXT = "_mask.txt"
OTHERS = re.compile(r"(train|test)_\d+$|TCGA-")
"""Names of images in CoNSeP and Kumar, whose layout is the same."""


@final
@dataclass(frozen=True)
class Cpm15(Dataset):
    """CPM-15, opened. Magnifications are mixed and the files do not say them, so the size of a
    pixel is not known.
    """

    twins: Twins

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        return cls(_find(root, CPM15, variant))

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        return _labels(record)

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, counts, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        yield from shared_findings(self, EXPECTED["cpm15"])


@final
@dataclass(frozen=True)
class Cpm17(Dataset):
    """CPM-17, opened, with its official parts; the size of a pixel is not known."""

    twins: Twins

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        return cls(_find(root, CPM17, variant))

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        return _labels(record)

    def verify(self) -> Iterator[Finding]:
        """Unpaired labels, counts, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        yield from shared_findings(self, EXPECTED["cpm17"])


def read_text_map(path: Path) -> NDArray[np.int32]:
    """The ids of a text file: width and height, then a label a pixel, row by row.

    Raises DataError, naming `path`, for another form.
    """
    try:
        words = path.read_text(encoding="ascii").split()
        width, height = int(words[0]), int(words[1])
        values = np.array(words[2:], np.float64)
    except (OSError, ValueError, IndexError) as error:
        raise _no_map(path, f"{type(error).__name__}: {error}") from error
    if width < 1 or height < 1 or len(values) != width * height:
        raise _no_map(path, f"{len(values)} labels for {width}x{height} pixels")
    return exact_ids(str(path), values).reshape(height, width)


def _no_map(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="width and height, then one label for each pixel",
        found=found,
        hint="get the file again",
    )


def _find(root: Path, spec: DatasetSpec, variant: str) -> Twins:
    """The records of a data set in either form, those of cpm17 with their part."""
    check_variant(spec, variant)

    def make(part: str, image: Path, labels: tuple[Path, ...]) -> Record:
        split = part_split(part) if spec is CPM17 else None
        key = image.stem if split is None else f"{split}-{image.stem}"
        return Record(key, key, image, labels, split)

    def is_part(folder: Path) -> bool:
        return _is_part(folder) and (part_split(folder.name) is not None) == (spec is CPM17)

    parts = find_parts(root, spec, is_part, is_inside_twin)
    return gather(parts, spec, make, _files)


def _is_part(folder: Path) -> bool:
    """Whether a folder has one of the two forms, and not the file names of other sets of it."""
    if not (is_twin_part(folder) or _texts(folder)):
        return False
    return not all(OTHERS.match(stem) for found in _files(folder) for stem in found)


def _files(part: Path) -> Files:
    """The images and labels of a part in either form, by stem."""
    if is_twin_part(part):
        return twin_files(part)
    return by_stem(files(part, IMAGES)), _texts(part)


def _texts(folder: Path) -> dict[str, Path]:
    """The text labels of a folder by the stem of their image."""
    paths = [path for path in files(folder, (".txt",)) if path.name.endswith(TEXT)]
    return {path.name.removesuffix(TEXT): path for path in paths}


def _labels(record: Record) -> Labels:
    (path,) = label_paths(record)
    if path.suffix.lower() == ".txt":
        ids = read_text_map(path)
    elif path.suffix.lower() == ".npy":
        ids = exact_ids(str(path), open_array(path, None, None))
    else:
        ids = id_map(path, "inst_map", read_mat(path, "inst_map")["inst_map"])
    require_same_size(record, path, ids.shape)
    return Labels(renumbered(ids))
