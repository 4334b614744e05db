"""Reader of the 2018 Data Science Bowl (BBBC038): a folder an image, a mask file a nucleus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import DSB2018, EXPECTED
from histokit.data.checks import image_path, label_paths, require_same_size, shared_findings
from histokit.data.layout import (
    by_stem,
    check_variant,
    child,
    files,
    find_parts,
    natural,
    plain,
    subfolders,
)
from histokit.data.masks import foreground, renumbered
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size, read_image, read_mask


@final
@dataclass(frozen=True)
class Dsb2018(Dataset):
    """Stage 1 and stage 2 folders, opened. Nuclei are numbered by the names of their files; of
    overlapping masks the first keeps the pixels.
    """

    found: tuple[Record, ...]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`. Raises DataError."""
        check_variant(DSB2018, variant)
        records: dict[str, Record] = {}
        for part in find_parts(root, DSB2018, _is_part, lambda f: _image(f) is not None):
            for folder in subfolders(part):
                record = _record(part, folder)
                if record is None:
                    continue
                other = records.setdefault(record.key, record)
                if other is not record:
                    raise _twice(other, record)
        return cls(tuple(sorted(records.values(), key=lambda record: natural(record.key))))

    def records(self) -> Sequence[Record]:
        """All images, by id."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The nuclei of an image. Raises DataError with the path."""
        ids = np.zeros(image_size(image_path(record)), np.int32)
        for number, path in enumerate(label_paths(record), start=1):
            ids[_nucleus(record, path) & (ids == 0)] = number
        return Labels(renumbered(ids))

    def verify(self) -> Iterator[Finding]:
        """Empty and overlapping masks, and the shared checks."""
        for record in self.found:
            yield from _mask_findings(record)
        parts = {record.split for record in self.found}
        yield from shared_findings(self, EXPECTED["dsb2018"] if "train" in parts else None)


def _image(folder: Path) -> Path | None:
    """The image of an image folder: the file in ``images`` that has the folder's name."""
    images = child(folder, ("images",))
    if images is None:
        return None
    return by_stem(files(images)).get(folder.name)


def _is_part(folder: Path) -> bool:
    return any(_image(sub) is not None for sub in subfolders(folder))


def _record(part: Path, folder: Path) -> Record | None:
    image = _image(folder)
    if image is None:
        return None
    masks = child(folder, ("masks",))
    labels = () if masks is None else tuple(files(masks))
    name = plain(part.name)
    split = next((word for word in ("train", "test") if word in name), None)
    return Record(folder.name, folder.name, image, labels, split)


def _twice(first: Record, second: Record) -> DataError:
    return DataError(
        f"image {first.key} is here twice",
        expected="one copy of each image",
        found=f"{first.image} and {second.image}",
        hint="name the folder of one copy",
    )


def _nucleus(record: Record, path: Path) -> NDArray[np.bool_]:
    mask = read_mask(path)
    require_same_size(record, path, mask.shape)
    return foreground(mask)


def _mask_findings(record: Record) -> Iterator[Finding]:
    """Odd masks; those that cannot be read are told by the shared checks."""
    try:
        covered = np.zeros(image_size(image_path(record)), bool)
        for path in record.labels:
            nucleus = _nucleus(record, path)
            if not nucleus.any():
                yield Finding("warning", str(path), "is empty; it counts as no nucleus")
            elif (nucleus & covered).any():
                pixels = np.count_nonzero(nucleus & covered)
                text = f"overlaps earlier masks in {pixels} pixels, which stay with those"
                yield Finding("warning", str(path), text)
            covered |= nucleus
    except DataError:
        return
