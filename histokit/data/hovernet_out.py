"""Reader of what HoVer-Net writes for tiles: a MATLAB or JSON file of objects beside each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.beside import Layout, find_beside
from histokit.data.cards_generic import HOVERNET_OUT
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.generic import kept, numbered_names, require_within
from histokit.data.kinds import class_findings, require_classes
from histokit.data.layout import check_variant
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.files import read_json
from histokit.io.hovernet_files import fill, read_hovernet_json, read_hovernet_mat
from histokit.io.images import image_size, read_image
from histokit.io.rings import shoelace

LAYOUT = Layout(("mat", "json", "labels"), (".mat", ".json"))
TYPE_INFO = "type_info.json"


@final
@dataclass(frozen=True)
class HoverNetOut(Dataset):
    """HoVer-Net's output as labels, opened; ``mat/`` before ``json/`` where both are there.

    Contours are rings through pixel centres and are filled with their pixels; of nested ones the
    inner keeps its own. Type 0 is no class. The classes are named by ``type_info.json``, or else
    by the numbers that occur. Coordinates must be those of the image; the output for whole slides
    is not read.
    """

    found: tuple[Record, ...]
    orphans: tuple[Path, ...]
    class_names: tuple[str, ...]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The images and files under `root`; there are no variants. Raises DataError."""
        check_variant(HOVERNET_OUT, variant)
        beside = find_beside(root, HOVERNET_OUT, LAYOUT)
        info = beside.root / TYPE_INFO
        names = _names(info) if info.is_file() else numbered_names(_highest(beside.records))
        orphans = tuple(path for path in beside.orphans if path.name != TYPE_INFO)
        return cls(beside.records, orphans, names)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The objects of an image and their classes. Raises DataError with the path."""
        (path,) = label_paths(record)
        if path.suffix.lower() == ".mat":
            ids, kinds = read_hovernet_mat(path)
            require_same_size(record, path, ids.shape)
        else:
            found = read_hovernet_json(path)
            ids = _painted(found.rings, image_size(image_path(record)))
            kinds = dict(found.types)
            require_within(path, ids, len(found.rings))
        require_classes(str(path), np.array(list(kinds.values()), np.int64), self.class_names)
        return kept(ids, kinds)

    def verify(self) -> Iterator[Finding]:
        """Unpaired files, objects without class, and the shared checks."""
        yield from orphan_findings(self.orphans)
        if self.class_names:
            yield from class_findings(self, self.found)
        yield from shared_findings(self)


def _painted(rings: Mapping[int, NDArray[np.int64]], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The id map of contours, the largest first, since it hides what lies in a hole of its own."""
    ids = np.zeros(shape, np.int32)
    for key, ring in sorted(rings.items(), key=lambda item: -abs(shoelace(item[1].tolist()))):
        left, top = np.maximum(ring.min(axis=0), 0).tolist()
        right, bottom = np.minimum(ring.max(axis=0) + 1, shape[::-1]).tolist()
        if left < right and top < bottom:
            drawn = fill([(key, ring - (left, top))], (bottom - top, right - left))
            window = ids[top:bottom, left:right]
            window[drawn > 0] = key
    return ids


def _names(info: Path) -> tuple[str, ...]:
    """The names of the types 1, 2, … of ``{"0": ["nolabel", [r, g, b]], …}``."""
    table = read_json(info)
    try:
        names = {int(number): str(name) for number, (name, *_) in table.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise _broken(info, "a name for each number", f"{type(error).__name__}: {error}") from error
    if set(names) - {0} != set(range(1, max(names, default=0) + 1)):
        raise _broken(info, "the types 1, 2, … without gaps", f"{sorted(names)}")
    return tuple(names[number] for number in sorted(names) if number > 0)


def _highest(records: Sequence[Record]) -> int:
    """The highest type; a file that cannot be read is told when its labels are."""
    highest = 0
    for record in records:
        try:
            kinds = [kind for path in record.labels for kind in _kinds(path).values()]
        except DataError:
            continue
        highest = max([highest, *kinds])
    return highest


def _kinds(path: Path) -> Mapping[int, int]:
    """The type of each id that has one. Raises DataError."""
    if path.suffix.lower() == ".mat":
        return read_hovernet_mat(path)[1]
    return read_hovernet_json(path).types


def _broken(where: object, expected: str, found: str) -> DataError:
    return DataError(
        f"cannot read {where}", expected=expected, found=found, hint="get the file again"
    )
