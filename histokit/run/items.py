"""What `translate` works on: images and slides of folders, patterns and tables, with names."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath

from histokit.errors import DataError
from histokit.io.slides_open import SLIDE_SUFFIXES
from histokit.run.predict import SUFFIXES

READ = SUFFIXES | SLIDE_SUFFIXES
"""Endings of files that are taken from folders and patterns."""
PATH_COLUMNS = ("path", "image", "file", "filename")
"""Headings, in lower case, under which a table's paths are looked for, in this order."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image or slide, and its name in the output: folders below the input, and no suffix."""

    path: Path
    name: PurePath


def find_items(inputs: Sequence[Path], out: Path, suffixes: Sequence[str]) -> list[Item]:
    """The images and slides that the inputs mean, in natural order of each input.

    A folder stands for all images and slides in it and below, a pattern (``tiles/**/*.png``) for
    what it matches, a CSV file for its column of paths (relative to the file). Files of a folder
    keep their place below it, those of a pattern or table below the folder they have in common.

    Args:
        inputs: as typed.
        out: the output folder.
        suffixes: of the files that may be written there.

    Raises DataError where an input is missing or gives nothing, two images would get one output
    name, the output folder lies inside an input folder, or an image would be overwritten.
    """
    items: list[Item] = []
    for path in inputs:
        found = list(_of_input(path, out))
        if not found:
            raise DataError(
                f"no images in {path}", expected="files ending in " + " ".join(sorted(READ))
            )
        items += found
    _check_names(items, out, suffixes)
    return items


def images_below(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[Item]:
    """All images of a folder and its folders, hidden ones left out, in natural order; they are
    known by their `suffixes`.
    """
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    items = [Item(path, _named(path.relative_to(folder))) for path in paths]
    shown = (item for item in items if not any(part[0] == "." for part in item.name.parts))
    return sorted(shown, key=lambda item: item.path)


def _of_input(path: Path, out: Path) -> Iterator[Item]:
    if path.is_dir():
        if out.resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"the output folder {out} lies inside the input folder {path}",
                hint="choose an output folder outside it: -o FOLDER",
            )
        yield from images_below(path, READ)
    elif path.suffix.lower() == ".csv":
        yield from _with_common_root(_listed(path))
    elif path.exists():
        yield Item(path, _named(PurePath(path.name)))
    elif has_magic(str(path)):
        matched = sorted(Path(name) for name in glob(str(path), recursive=True))
        files = [file for file in matched if file.suffix.lower() in READ and file.is_file()]
        yield from _with_common_root(files)
    else:
        raise DataError(
            f"there is no {path}",
            expected="an image or slide, a folder, a pattern such as 'tiles/*.png' or a CSV file",
        )


def _with_common_root(paths: Sequence[Path]) -> list[Item]:
    if not paths:
        return []
    root = os.path.commonpath([path.absolute().parent for path in paths])
    return [Item(path, _named(path.absolute().relative_to(root))) for path in paths]


def _named(path: PurePath) -> PurePath:
    """A path without its suffix, both halves of ``.ome.tif``."""
    return path.with_name(path.stem.removesuffix(".ome") or path.stem)


def _listed(table: Path) -> list[Path]:
    """The paths of a CSV file. Raises DataError where it has no column of them."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read {table}", expected="a CSV table in UTF-8", found=str(error)
        ) from error
    headings = {str(key).strip().lower(): key for key in (rows[0] if rows else {})}
    column = next((headings[name] for name in PATH_COLUMNS if name in headings), None)
    if column is None:
        raise DataError(
            f"{table} has no column of paths",
            expected="a heading " + " or ".join(PATH_COLUMNS) + ", and rows below it",
            found=", ".join(headings) or "no rows",
        )
    return [table.parent / row[column].strip() for row in rows if (row[column] or "").strip()]


def _check_names(items: Sequence[Item], out: Path, suffixes: Sequence[str]) -> None:
    names: dict[str, Path] = {}
    for item in items:
        other = names.setdefault(str(item.name).lower(), item.path)
        if other is not item.path:
            raise DataError(
                "two images would be written under one name",
                found=f"{other} and {item.path}",
                hint="rename one, or translate them into different folders",
            )
    sources = {item.path.resolve() for item in items}
    for target in (output_path(out, item, suffix) for item in items for suffix in suffixes):
        if target.resolve() in sources:
            raise DataError(
                f"{target} is an input and would be overwritten",
                hint="choose another output folder: -o FOLDER",
            )


def output_path(out: Path, item: Item, suffix: str) -> Path:
    """Where the output of an item lies."""
    return out / item.name.parent / f"{item.name.name}{suffix}"
