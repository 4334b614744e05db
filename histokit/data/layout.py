"""Finding a data set's folders and files, tolerant of how archives are unpacked and renamed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from histokit.errors import DataError, UnknownName
from histokit.interfaces.spec import DatasetSpec

DEPTH = 3
"""How many folders below the named one a data set is looked for."""
LITTER = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini"})
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"})


def plain(name: str) -> str:
    """A name without case, blanks, underscores and hyphens, for comparison."""
    return re.sub(r"[ _-]+", "", name).casefold()


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that counts: ``a2`` before ``a10``."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def listing(folder: Path) -> list[Path]:
    """What is in a folder, in natural order, without the litter of archivers and desktops.

    Raises DataError where it cannot be listed.
    """
    try:
        names = [name for name in os.listdir(folder) if _wanted(name)]
    except OSError as error:
        raise DataError(
            f"cannot list {folder}", found=error.strerror or str(error), hint="check its rights"
        ) from error
    return [folder / name for name in sorted(names, key=natural)]


def _wanted(name: str) -> bool:
    return not name.startswith("._") and name.casefold() not in LITTER


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order."""
    return [path for path in listing(folder) if path.is_dir()]


def files(folder: Path, suffixes: Collection[str] = IMAGES) -> list[Path]:
    """The files of a folder with one of the endings, in any case, in natural order."""
    return [path for path in listing(folder) if path.suffix.lower() in suffixes and path.is_file()]


def child(folder: Path, names: Iterable[str]) -> Path | None:
    """The subfolder with one of the names (see `plain`), None where there is none.

    Raises DataError where several match.
    """
    wanted = {plain(name) for name in names}
    found = [path for path in subfolders(folder) if plain(path.name) in wanted]
    if len(found) > 1:
        raise DataError(
            f"several folders of {folder} could be meant",
            expected="one of them",
            found=", ".join(path.name for path in found),
            hint="move the others elsewhere",
        )
    return found[0] if found else None


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """The files by name without ending.

    Raises DataError, naming both, where two differ only in ending or case.
    """
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(path.stem.casefold(), path)
        if other != path:
            raise DataError(
                "two files have the same name but for ending or case",
                expected="one file for each name",
                found=f"{other} and {path}",
                hint="rename or remove one of them",
            )
    return {path.stem: path for path in found.values()}


def check_variant(spec: DatasetSpec, variant: str) -> str:
    """The variant to use: `variant`, or the card's first where it is empty. Raises UnknownName."""
    if not variant:
        return next(iter(spec.variants), "")
    if variant not in spec.variants:
        raise UnknownName(f"variant of {spec.name}", variant, filter(None, spec.variants))
    return variant


def existing(root: Path, spec: DatasetSpec) -> Path:
    """`root`, made absolute. Raises DataError where it is no folder."""
    folder = root.expanduser().absolute()
    if folder.is_file():
        raise missing(spec, folder, "a file", "unpack the archive and name the folder")
    if not folder.is_dir():
        raise missing(spec, folder, "no such folder", "check the path")
    return folder


def missing(
    spec: DatasetSpec, root: Path, found: str = "no such tree", hint: str = "name its folder"
) -> DataError:
    """The error that a data set is not where it was said to be, with the tree it should have."""
    tree = "\n    ".join(["", *spec.tree.strip("\n").splitlines()])
    return DataError(f"no {spec.name} data in {root}", expected=tree, found=found, hint=hint)


def find_parts(
    root: Path,
    spec: DatasetSpec,
    is_part: Callable[[Path], bool],
    is_inside: Callable[[Path], bool],
) -> list[Path]:
    """The folders that hold the data: at `root`, up to three levels below, or just above it.

    Args:
        root: what the user named.
        spec: the card, for the error.
        is_part: whether a folder is one.
        is_inside: whether a folder lies directly within one, so that its parent is meant.

    Raises DataError, naming the expected tree, where there is none.
    """
    start = existing(root, spec)
    if is_inside(start) and is_part(start.parent):
        return [start.parent]
    found: list[Path] = []
    level = [start]
    for depth in range(DEPTH + 1):
        parts = [folder for folder in level if is_part(folder)]
        found += parts
        if depth < DEPTH:
            level = [sub for folder in level if folder not in parts for sub in subfolders(folder)]
    if not found:
        raise missing(spec, root)
    return found
