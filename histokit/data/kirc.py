"""Reader of KIRC (Irshad et al.): fields of kidney carcinoma, as arrays or as paired folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_organs import EXPECTED, KIRC
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.exports import find_list, read_export_image, read_export_mask, read_parts
from histokit.data.layout import by_stem, check_variant, child, existing, files, find_parts, plain
from histokit.data.masks import components, foreground, is_noisy_binary, levels, renumbered
from histokit.data.twins import IMAGES, Files, Twins, gather
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import read_image, read_mask

NAME = re.compile(r"\d{3,}_\d{3,}")
"""Left and top of a field in its slide."""
ARRAY = ".npy"
LISTS = ("kric_split.csv", "kirc_split.csv")
"""Names of the list of parts; the first is how its authors spell it."""


@final
@dataclass(frozen=True)
class Kirc(Dataset):
    """KIRC, opened. The official folders are not known to us; read are the arrays [H W 4] of
    MaNi's export and folders ``images`` and ``masks`` of the same names. A mask of two values is
    cut into 8-connected pieces, so touching nuclei count as one; more values are ids.

    The parts come from MaNi's list, without the shuffling that its code does; without the list no
    record has a part. File names hold a place but no slide, so each image is its own group and
    fields of one slide may lie on both sides of a split.
    """

    twins: Twins
    listed: Mapping[str, str]
    list_file: Path | None

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        check_variant(KIRC, variant)
        parts = find_parts(root, KIRC, _is_part, _is_inside)
        list_file = find_list(existing(root, KIRC), LISTS)
        listed = {} if list_file is None else read_parts(list_file)

        def make(_: str, image: Path, labels: tuple[Path, ...]) -> Record:
            return Record(image.stem, image.stem, image, labels, listed.get(image.stem), KIRC.mpp)

        return cls(gather(parts, KIRC, make, _files), listed, list_file)

    def records(self) -> Sequence[Record]:
        """All fields, by name."""
        return self.twins.records

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The field, uint8 [H W 3]. Raises DataError with the path."""
        path = image_path(record)
        return read_export_image(path) if path.suffix.lower() == ARRAY else read_image(path)

    def labels(self, record: Record) -> Labels:
        """The nuclei of a field. Raises DataError with the path."""
        (path,) = label_paths(record)
        mask = read_export_mask(path) if path.suffix.lower() == ARRAY else read_mask(path)
        require_same_size(record, path, mask.shape)
        values = levels(mask)
        if len(values) <= 2 or is_noisy_binary(values):
            return Labels(components(foreground(mask)))
        return Labels(renumbered(mask))

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, images and rows of the list that do not fit, and the shared checks."""
        yield from orphan_findings(self.twins.orphans)
        yield from self._list_findings()
        yield from shared_findings(self, EXPECTED["kirc" if self.listed else "kirc@unlisted"])

    def _list_findings(self) -> Iterator[Finding]:
        if self.list_file is None:
            yield Finding("warning", LISTS[0], "is missing; the parts are not known")
            return
        lost = self.listed.keys() - {record.key for record in self.records()}
        if lost:
            text = f"{len(lost)} listed images are not here, such as {min(lost)}"
            yield Finding("warning", str(self.list_file), text)
        for record in self.records():
            if record.split is None:
                yield Finding("warning", str(record.image), f"is not in {self.list_file}")


def _named(paths: list[Path]) -> list[Path]:
    return [path for path in paths if NAME.fullmatch(path.stem)]


def _is_part(folder: Path) -> bool:
    if _named(files(folder, (ARRAY,))):
        return True
    images = child(folder, ("images",))
    return images is not None and bool(_named(files(images, IMAGES)))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in ("images", "masks")


def _files(part: Path) -> Files:
    """The images and masks of a folder, by stem; an array is both."""
    arrays = by_stem(_named(files(part, (ARRAY,))))
    if arrays:
        return arrays, arrays
    images, masks = child(part, ("images",)), child(part, ("masks",))
    return (
        {} if images is None else by_stem(_named(files(images, IMAGES))),
        {} if masks is None else by_stem(files(masks, IMAGES)),
    )
