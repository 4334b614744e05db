"""Which files show the same place in two stains: two folders of equal names, or halves of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histokit.data.layout import by_stem, child, files, natural, plain
from histokit.data.trees import below
from histokit.errors import DataError
from histokit.interfaces.spec import DatasetSpec

SPLITS = ("train", "val", "test")
SHOWN = 5
"""How many file names an error lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place by its name, with its file in each stain, where there is one.

    The two are the same file where the images lie side by side in it.
    """

    split: str | None
    name: str
    first: Path | None
    second: Path | None


def images_below(folder: Path) -> dict[str, Path]:
    """All images in a folder and its subfolders, by path without ending.

    Raises DataError, naming both, where two differ only in ending or case.
    """
    return {
        (path.parent.relative_to(folder) / stem).as_posix(): path
        for sub in below(folder)
        for stem, path in by_stem(files(sub)).items()
    }


def two_folders(first: Path, second: Path, split: str | None = None) -> list[Place]:
    """The places of two folders, by file name; of no given part, ``train/x`` says the part."""
    one, two = images_below(first), images_below(second)
    names = sorted({*one, *two}, key=natural)
    return [_place(name, split, one.get(name), two.get(name)) for name in names]


def _place(name: str, split: str | None, first: Path | None, second: Path | None) -> Place:
    head, _, rest = name.partition("/")
    if split is None and rest and plain(head) in SPLITS:
        return Place(plain(head), rest, first, second)
    return Place(split, name, first, second)


def has_ab(folder: Path) -> bool:
    """Whether a folder has ``trainA`` and ``trainB``, or the same of another part."""
    return any(None not in _ab(folder, split) for split in SPLITS)


def is_ab(folder: Path) -> bool:
    """Whether the name of a folder is ``trainA``, ``valB`` or alike."""
    return plain(folder.name) in {f"{split}{side}" for split in SPLITS for side in "ab"}


def ab_folders(folder: Path) -> list[Place]:
    """The places of ``trainA``, ``trainB`` and so on. Raises DataError where one has no partner
    folder, or both are empty.
    """
    found: list[Place] = []
    for split in SPLITS:
        first, second = _ab(folder, split)
        if first is None and second is None:
            continue
        if first is None or second is None:
            raise DataError(
                f"half of the {split} part is missing in {folder}",
                expected=f"{split}A and {split}B",
                found=str(first or second),
                hint="get the other folder, or move this one out",
            )
        places = two_folders(first, second, split)
        if not places:
            raise _empty(f"{first} and {second}")
        found += places
    return found


def _ab(folder: Path, split: str) -> tuple[Path | None, Path | None]:
    return child(folder, (f"{split}A",)), child(folder, (f"{split}B",))


def has_parts(folder: Path) -> bool:
    """Whether a folder has a ``train``, ``val`` or ``test`` with images in it."""
    parts = (child(folder, (split,)) for split in SPLITS)
    return any(part is not None and files(part) for part in parts)


def side_by_side(folder: Path) -> list[Place]:
    """The places of ``train``, ``val`` and ``test``, whose images hold both stains.

    Raises DataError where one of the folders is empty.
    """
    found: list[Place] = []
    for split in SPLITS:
        part = child(folder, (split,))
        if part is None:
            continue
        images = images_below(part)
        if not images:
            raise _empty(str(part))
        found += [Place(split, name, path, path) for name, path in images.items()]
    return found


def turned(places: Sequence[Place]) -> list[Place]:
    """The same places with the stains exchanged."""
    return [Place(place.split, place.name, place.second, place.first) for place in places]


def require_pairs(places: Sequence[Place], spec: DatasetSpec) -> None:
    """Raises DataError, naming the files, where a place lacks one of its stains."""
    alone = [str(p.first or p.second) for p in places if p.first is None or p.second is None]
    if alone:
        listed = "".join(f"\n    {path}" for path in alone[:SHOWN])
        more = f"\n    and {len(alone) - SHOWN} more" if len(alone) > SHOWN else ""
        raise DataError(
            f"{len(alone)} images of {spec.name} have no partner of the same name",
            expected="the same file names in both folders; order alone says nothing",
            found=f"no partner for{listed}{more}",
            hint="get the missing files, or move these out of the folders",
        )


def _empty(where: str) -> DataError:
    return DataError(
        f"no image in {where}",
        expected="an image or more in each part",
        found="nothing",
        hint="get the files, or remove the empty folders",
    )
