"""Reader of the user's own pairs: two folders of the same file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from histokit.data.cards_pairs import PAIRS
from histokit.data.couples import PairSet, records_of
from histokit.data.layout import check_variant, child, files, find_parts, plain, subfolders
from histokit.data.sides import SPLITS, Place, has_parts, require_pairs, turned, two_folders
from histokit.errors import DataError

FIRST = ("HE", "H&E", "A", "source", "input")
SECOND = ("IHC", "B", "target")


@final
@dataclass(frozen=True)
class Pairs(PairSet):
    """The user's own pairs, opened."""

    spec = PAIRS

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The pairs under `root`, from the first folder to the second or the other way round.

        Raises DataError where names differ between the folders.
        """
        variant = check_variant(PAIRS, variant)
        parts = find_parts(root, PAIRS, lambda f: _folders(f) is not None, _is_inside)
        _require_parts(root, parts)
        places = [place for part in parts for place in _places(part)]
        require_pairs(places, PAIRS)
        return cls(*records_of(places if variant == "a" else turned(places), PAIRS))


def _folders(folder: Path) -> tuple[Path, Path] | None:
    """The folders of both stains: of usual names, or the only two that have images."""
    first, second = child(folder, FIRST), child(folder, SECOND)
    if first is not None and second is not None:
        return (first, second) if _has_images(first) or _has_images(second) else None
    found = [sub for sub in subfolders(folder) if files(sub) and plain(sub.name) not in SPLITS]
    if len(found) != 2:
        return None
    one, two = found
    return (two, one) if one == second or two == first else (one, two)


def _has_images(folder: Path) -> bool:
    """Whether a folder has images in it, or in a part of it."""
    return bool(files(folder)) or has_parts(folder)


def _is_inside(folder: Path) -> bool:
    if plain(folder.name) in SPLITS or _folders(folder) is not None:
        return False
    return folder in (_folders(folder.parent) or ())


def _places(part: Path) -> list[Place]:
    folders = _folders(part)
    split = plain(part.name) if plain(part.name) in SPLITS else None
    return [] if folders is None else two_folders(*folders, split)


def _require_parts(root: Path, parts: list[Path]) -> None:
    """Raises DataError where several folders of pairs are no parts of one data set."""
    if len(parts) > 1 and not all(plain(part.name) in SPLITS for part in parts):
        raise DataError(
            f"several folders of pairs are in {root}",
            expected="one, or train, val and test",
            found=", ".join(str(part) for part in parts[:5]) + (" ..." if parts[5:] else ""),
            hint="name one of them",
        )
