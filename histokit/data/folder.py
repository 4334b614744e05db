"""Reader of the user's own images: a folder of images with masks of the same names, or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards import FOLDER
from histokit.data.checks import (
    image_path,
    label_paths,
    orphan_findings,
    require_same_size,
    shared_findings,
)
from histokit.data.layout import check_variant, existing, find_parts, natural
from histokit.data.masks import components, foreground, is_noisy_binary, levels, renumbered
from histokit.data.pairing import Pairs, is_inside, is_part, pair
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import mask_bits, read_image, read_mask

THREE_LEVELS = ((0, 127, 255), (0, 128, 255))


@final
@dataclass(frozen=True)
class Folder(Dataset):
    """The user's own images, opened."""

    found: tuple[Record, ...]
    pairs: Pairs
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The images under `root`.

        Args:
            root: a folder of images, of images and masks, or of two such folders.
            variant: ``auto``, ``binary`` or ``instances``: how masks are read.

        Raises DataError where there are no images, or where names are ambiguous.
        """
        variant = check_variant(FOLDER, variant)
        pairs = pair(_part(root))
        records = [
            Record(stem, stem, image, (pairs.masks[stem],) if stem in pairs.masks else ())
            for stem, image in sorted(pairs.images.items(), key=lambda item: natural(item[0]))
        ]
        return cls(tuple(records), pairs, variant)

    def records(self) -> Sequence[Record]:
        """All images, by name."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return read_image(image_path(record))

    def labels(self, record: Record) -> Labels:
        """The objects of an image. Raises DataError with the path, also where it cannot be known
        what the values of the mask mean.
        """
        (path,) = label_paths(record)
        mask = read_mask(path)
        require_same_size(record, path, mask.shape)
        if self.variant == "binary" or (self.variant == "auto" and _is_binary(path, mask)):
            return Labels(components(_foreground(path, mask)))
        return Labels(renumbered(mask))

    def verify(self) -> Iterator[Finding]:
        """Unpaired masks, files that are not read, and the shared checks."""
        yield from orphan_findings(self.pairs.orphans)
        for path in self.pairs.others:
            yield Finding("note", str(path), "is not read")
        if self.variant == "instances":
            for record in self.found:
                yield from _looks_binary(record)
        yield from shared_findings(self)


def _part(root: Path) -> Path:
    parts = [root] if _holds(root) else find_parts(root, FOLDER, is_part, is_inside)
    if len(parts) > 1:
        raise DataError(
            f"several folders of images are in {root}",
            expected="one",
            found=", ".join(str(part) for part in parts[:5]) + (" ..." if parts[5:] else ""),
            hint="name one of them",
        )
    return parts[0]


def _holds(root: Path) -> bool:
    """Whether the named folder itself is meant, rather than one above or below."""
    folder = existing(root, FOLDER)
    return is_part(folder) and not is_inside(folder)


def _is_binary(path: Path, mask: NDArray[np.int32]) -> bool:
    """Whether the values of a mask mean object or not, rather than which object.

    Raises DataError where both could be.
    """
    values = levels(mask)
    if len(values) <= 2 or is_noisy_binary(values):
        return True
    if mask_bits(path) > 8:
        return False
    raise DataError(
        f"{path} may hold objects, classes or grey levels",
        expected="two values, or ids in more than 8 bits",
        found=f"8 bits with the values {_some(values)}",
        hint="say what they are: folder@instances, or folder@binary for one kind of foreground",
    )


def _foreground(path: Path, mask: NDArray[np.int32]) -> NDArray[np.bool_]:
    values = levels(mask)
    if tuple(values.tolist()) in THREE_LEVELS:
        raise DataError(
            f"{path} has three grey levels",
            expected="a mask of one kind of object",
            found=f"the values {_some(values)}, two kinds of object by custom",
            hint="write one binary mask for each kind",
        )
    return foreground(mask)


def _some(values: NDArray[Any]) -> str:
    return ", ".join(str(value) for value in values[:6]) + (" ..." if len(values) > 6 else "")


def _looks_binary(record: Record) -> Iterator[Finding]:
    """A mask of one id in many pieces; one that cannot be read is told by the shared checks."""
    for path in record.labels:
        try:
            mask = read_mask(path)
        except DataError:
            return
        pieces = components(mask > 0).max(initial=0)
        if len(levels(mask)) == 2 and pieces > 1:
            text = f"one id in {pieces} pieces; a binary mask? Then use folder@binary"
            yield Finding("warning", str(path), text)
