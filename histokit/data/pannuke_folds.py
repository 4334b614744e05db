"""Finding the three folds of PanNuke, and which is which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from histokit.data.arrays import open_array
from histokit.data.cards_classes import PANNUKE
from histokit.data.layout import existing, missing, plain
from histokit.data.trees import below, climb
from histokit.errors import DataError

CHANNELS = 6
FOLD_OF = MappingProxyType({2656: 1, 2523: 2, 2722: 3})
"""The official fold by its number of patches: one mirror has wrong names."""
NAME = re.compile(r"(?:fold|part)(\d+)")


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold on disk.

    Attributes:
        number: 1, 2 or 3, by the number of patches or else by name.
        named: the number that the folder's name says, or None.
        count: how many patches.
        images, masks, types: the npy files.
    """

    number: int
    named: int | None
    count: int
    images: Path
    masks: Path | None
    types: Path | None


@dataclass(frozen=True, slots=True)
class Folds:
    """The folds by number, and the mask files without images."""

    found: Mapping[int, Fold]
    orphans: tuple[Path, ...]


def find_folds(root: Path) -> Folds:
    """The folds under `root`, whose patches are not read.

    Raises DataError where there are none, a file is damaged, images and masks do not match, or
    two folders hold one fold.
    """
    start = climb(existing(root, PANNUKE), _is_inside)
    arrays: dict[str, dict[int | None, Path]] = {"images": {}, "masks": {}, "types": {}}
    for folder in below(start):
        for kind, found in arrays.items():
            path = folder / f"{kind}.npy"
            if path.is_file():
                other = found.setdefault(_named(path), path)
                if other != path:
                    raise _same(other, path)
    if not arrays["images"]:
        raise missing(PANNUKE, root)
    folds: dict[int, Fold] = {}
    for named, images in arrays["images"].items():
        fold = _fold(named, images, arrays["masks"].pop(named, None), arrays["types"].get(named))
        other_fold = folds.setdefault(fold.number, fold)
        if other_fold is not fold:
            raise _same(other_fold.images, images)
    return Folds(dict(sorted(folds.items())), tuple(arrays["masks"].values()))


def _is_inside(name: str) -> bool:
    """Whether a folder lies within a fold: ``images``, ``masks`` or ``fold1`` without a blank."""
    return plain(name) in ("images", "masks") or re.fullmatch(r"fold\d", name) is not None


def _named(path: Path) -> int | None:
    """The number of the nearest folder above that is called fold or part."""
    names = (NAME.fullmatch(plain(parent.name)) for parent in path.parents)
    return next((int(name[1]) for name in names if name), None)


def _fold(named: int | None, images: Path, masks: Path | None, types: Path | None) -> Fold:
    shape = open_array(images, None, None, None, 3).shape
    number = FOLD_OF.get(shape[0], named)
    if number is None or number not in FOLD_OF.values():
        raise DataError(
            f"it is not known which fold {images} is",
            expected="a folder called Fold 1, Fold 2 or Fold 3, or the official number of patches",
            found=f"{shape[0]} patches",
            hint="rename the folder that holds images and masks",
        )
    if masks is not None:
        masks_shape = open_array(masks, None, None, None, CHANNELS).shape
        if masks_shape[:3] != shape[:3]:
            raise DataError(
                f"{masks} is not of the same fold as {images}",
                expected=f"{shape[0]} masks of {shape[1]}x{shape[2]} pixels",
                found=f"{masks_shape[0]} of {masks_shape[1]}x{masks_shape[2]}",
                hint="get the archive of this fold again",
            )
    return Fold(number, named, shape[0], images, masks, types)


def _same(first: Path, second: Path) -> DataError:
    return DataError(
        "two files stand for one fold of pannuke",
        expected="one copy of each fold",
        found=f"{first} and {second}",
        hint="move one elsewhere; one mirror gives fold 2 under the name of fold 3",
    )
