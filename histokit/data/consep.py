"""Reader of CoNSeP: images with MATLAB maps of nuclei and of their classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.arrays import exact_ids, open_array
from histokit.data.cards_classes import CONSEP, CONSEP_RAW, EXPECTED
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.kinds import class_findings, majority, merged, require_classes
from histokit.data.layout import check_variant, find_parts
from histokit.data.masks import levels, renumbered
from histokit.data.matfiles import column, id_map, read_mat
from histokit.data.twins import (
    Twins,
    gather,
    is_inside_twin,
    is_twin_part,
    part_split,
    twin_files,
)
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image

MERGES: Mapping[str, Mapping[int, int]] = MappingProxyType(
    {
        "paper4": {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 4},
        "raw7": {kind: kind for kind in range(1, 8)},
        "binary": {},
    }
)
"""From the seven classes of the files to those of a variant."""
NAME = re.compile(r"(train|test)_\d+")


@final
@dataclass(frozen=True)
class Consep(Dataset):
    """CoNSeP, opened. A nucleus has the class of most of its pixels, or where there is no map of
    classes that of its row in the list, whose rows follow the sorted ids (which have gaps).

    Read are the official folders with MATLAB labels, and with npy labels [H W 2] as before March
    2020. Other copies (224 pixel tiles, pickled npy, TIFF) are not.
    """

    twins: Twins
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(CONSEP, variant)
        parts = find_parts(root, CONSEP, _is_part, is_inside_twin)
        return cls(gather(parts, CONSEP, _record, twin_files), variant)

    def records(self) -> Sequence[Record]:
        """All images, test before training; patients are not known, so each is its own group."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        ids, classes = _read_npy(path) if path.suffix.lower() == ".npy" else _read_mat(path)
        require_same_size(record, path, ids.shape)
        return Labels(ids, merged(classes, MERGES[self.variant]))

    def verify(self) -> Iterator[Finding]:
        """Counts, unpaired labels, ids with gaps, nuclei without class, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        if self.variant != "binary":
            yield from class_findings(self, self.records())
        yield from shared_findings(self, EXPECTED["consep"])


def _is_part(folder: Path) -> bool:
    """Whether a folder is a part of CoNSeP: other sets of its layout name their files otherwise."""
    stems = [stem for found in twin_files(folder) for stem in found]
    return is_twin_part(folder) and any(NAME.fullmatch(stem) for stem in stems)


def _record(part: str, image: Path, labels: tuple[Path, ...]) -> Record:
    split = part_split(part) or part_split(image.stem)
    return Record(image.stem, image.stem, image, labels, split, CONSEP.mpp)


def _read_mat(path: Path) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Ids 1..N and their raw classes, from a MATLAB file."""
    found = read_mat(path, "inst_map", "type_map", "inst_type")
    raw = id_map(path, "inst_map", found["inst_map"])
    ids = renumbered(raw)
    if "type_map" in found:
        return ids, _by_map(path, ids, id_map(path, "type_map", found["type_map"]))
    if "inst_type" not in found:
        return ids, {}
    kinds = column(path, "inst_type", found["inst_type"])
    require_classes(str(path), kinds, CONSEP_RAW)
    count = np.count_nonzero(levels(raw))
    if len(kinds) != count:
        raise DataError(
            f"{path} does not say the class of each nucleus",
            expected=f"{count} rows in inst_type",
            found=f"{len(kinds)} rows",
            hint="get the file again",
        )
    return ids, {number: int(kind) for number, kind in enumerate(kinds, start=1) if kind > 0}


def _read_npy(path: Path) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Ids 1..N and their raw classes, from an npy file [H W 2]."""
    pair = open_array(path, None, None, 2)
    ids = renumbered(exact_ids(str(path), pair[..., 0]))
    return ids, _by_map(path, ids, exact_ids(str(path), pair[..., 1]))


def _by_map(path: Path, ids: NDArray[np.int32], kinds: NDArray[np.int32]) -> dict[int, int]:
    if ids.shape != kinds.shape:
        raise DataError(
            f"the maps of {path} differ in size",
            expected=f"type_map of {list(ids.shape)}, as inst_map",
            found=f"{list(kinds.shape)}",
            hint="get the file again",
        )
    require_classes(str(path), kinds, CONSEP_RAW)
    return majority(ids, kinds)
