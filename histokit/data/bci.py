"""Reader of BCI: H&E and HER2 patches of neighbouring sections."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from histokit.data.cards_pairs import BCI, EXPECTED
from histokit.data.couples import PairSet, records_of
from histokit.data.layout import check_variant, child, files, find_parts, plain
from histokit.data.sides import (
    SPLITS,
    Place,
    ab_folders,
    has_ab,
    has_parts,
    is_ab,
    require_pairs,
    side_by_side,
    two_folders,
)
from histokit.errors import DataError
from histokit.interfaces.dataset import Record

NAME = re.compile(r"\d+_(train|test)_(0|1\+|2\+|3\+)")
"""Number, part and HER2 score; the number alone repeats."""


@final
@dataclass(frozen=True)
class Bci(PairSet):
    """BCI, opened, from its own folders or from a copy prepared for a method.

    The part of a pair goes by its name, not by its folder. Sections are neighbours and aligned by
    registration only, so pixels do not agree exactly. Slides are not told, so that a leak between
    parts cannot be seen.
    """

    spec = BCI

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; there are no variants. Raises DataError."""
        check_variant(BCI, variant)
        parts = find_parts(root, BCI, _is_part, _is_inside)
        places = [place for part in parts for place in _places(part)]
        require_pairs(places, BCI)
        return cls(*records_of(places, BCI, _record), expected=EXPECTED["bci"])


def _stains(folder: Path) -> tuple[Path, Path] | None:
    first, second = child(folder, ("HE",)), child(folder, ("IHC",))
    return None if first is None or second is None else (first, second)


def _is_part(folder: Path) -> bool:
    return _stains(folder) is not None or has_ab(folder) or _is_combined(folder)


def _is_combined(folder: Path) -> bool:
    """Whether a folder holds both stains in one image; ``HE`` alone looks alike."""
    if plain(folder.name) in ("he", "ihc") or not has_parts(folder):
        return False
    parts = (child(folder, (split,)) for split in SPLITS)
    return any(NAME.fullmatch(path.stem) for part in parts if part for path in files(part))


def _is_inside(folder: Path) -> bool:
    return plain(folder.name) in ("he", "ihc", *SPLITS) or is_ab(folder)


def _places(part: Path) -> list[Place]:
    stains = _stains(part)
    if stains is not None:
        return two_folders(*stains)
    return ab_folders(part) if has_ab(part) else side_by_side(part)


def _record(place: Place) -> Record:
    stem = place.name.rpartition("/")[2]
    match = NAME.fullmatch(stem)
    if match is None:
        raise DataError(
            f"{place.first} is not named as an image of bci",
            expected="a number, the part and the HER2 score, such as 00000_train_1+",
            found=stem,
            hint="for your own pairs use pairs:FOLDER",
        )
    return Record(stem, stem, place.first, (), match[1])
