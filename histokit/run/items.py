"""What `predict` and `translate` work on: images and slides of folders, patterns and manifests,
with their names in the output.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path, PurePath

from histokit.errors import DataError
from histokit.io.ngff import FOLDER
from histokit.io.slides_open import SLIDE_SUFFIXES, is_slide
from histokit.run.cohort.item import Item, Naming, output_path
from histokit.run.cohort.manifest import ENDINGS, read_manifest

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"))
"""Endings of plain images."""
READ = SUFFIXES | SLIDE_SUFFIXES
"""Endings of files that are taken from folders and patterns."""


def find_items(inputs: Sequence[Path], out: Path, suffixes: Sequence[str]) -> list[Item]:
    """The images and slides that the inputs mean, in natural order of each input.

    A folder stands for all images and slides in it and below, a pattern (``tiles/**/*.png``) for
    what it matches, a manifest for what it lists (see `read_manifest`). Files of a folder keep
    their place below it, those of a pattern or manifest below the folder they have in common.

    Args:
        inputs: as typed.
        out: the output folder.
        suffixes: of the files that may be written there.

    Raises DataError where an input is missing or gives nothing, two images would get one output
    name, the output folder lies inside an input folder, or an image would be overwritten.
    """
    items = _found(inputs, out, below_root, deep=True)
    _check_targets(items, out, suffixes)
    return items


def find_flat(inputs: Sequence[Path], out: Path) -> list[Item]:
    """The images and slides that the inputs mean, as `find_items` finds them, but those of a folder
    only directly in it, and named as their files are.

    Raises DataError as `find_items` does, but for images that would be overwritten.
    """
    return _found(inputs, out, as_files, deep=False)


def images_below(folder: Path, suffixes: Collection[str] = SUFFIXES) -> list[Item]:
    """All images of a folder and its folders, hidden ones left out, in natural order; they are
    known by their `suffixes`.
    """
    return _within(folder, suffixes, deep=True)


def below_root(paths: Sequence[Path]) -> list[PurePath]:
    """The paths below the folder that they have in common, without suffixes."""
    if not paths:
        return []
    root = os.path.commonpath([path.absolute().parent for path in paths])
    return [_bare(path.absolute().relative_to(root)) for path in paths]


def as_files(paths: Sequence[Path]) -> list[PurePath]:
    """The names of the files, without suffixes."""
    return [PurePath(path.stem) for path in paths]


def _found(inputs: Sequence[Path], out: Path, naming: Naming, *, deep: bool) -> list[Item]:
    items: list[Item] = []
    for path in inputs:
        found = list(_of_input(path, out, naming, deep=deep))
        if not found:
            raise DataError(
                f"no images in {path}", expected="files ending in " + " ".join(sorted(READ))
            )
        items += found
    _check_names(items)
    return items


def _of_input(path: Path, out: Path, naming: Naming, *, deep: bool) -> Iterator[Item]:
    if path.is_dir() and not is_slide(path):
        if out.resolve().is_relative_to(path.resolve()):
            raise DataError(
                f"the output folder {out} lies inside the input folder {path}",
                hint="choose an output folder outside it: -o FOLDER",
            )
        yield from _within(path, READ, deep=deep)
    elif path.suffix.lower() in ENDINGS and path.exists():
        yield from read_manifest(path, naming)
    elif path.exists():
        yield from _all_named([path], naming)
    elif has_magic(str(path)):
        matched = sorted(Path(name) for name in glob(str(path), recursive=True))
        files = [file for file in matched if file.suffix.lower() in READ and file.is_file()]
        yield from _all_named(files, naming)
    else:
        raise DataError(
            f"there is no {path}",
            expected="an image or a folder of images, a pattern such as 'tiles/*.png', or a "
            "manifest (CSV or Parquet)",
        )


def _within(folder: Path, suffixes: Collection[str], *, deep: bool) -> list[Item]:
    """The images in a folder, or in it and below, hidden ones left out."""
    shown = sorted(_shown(folder, suffixes, deep=deep))
    names = [_bare(path.relative_to(folder)) for path in shown] if deep else as_files(shown)
    return [Item(path, name) for path, name in zip(shown, names, strict=True)]


def _shown(folder: Path, suffixes: Collection[str], *, deep: bool) -> Iterator[Path]:
    """What ends in one of some suffixes: files, and slides that are folders, which are not looked
    into.
    """
    for path in folder.iterdir():
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            continue
        if path.is_dir() and suffix != FOLDER:
            if deep and not path.is_symlink():
                yield from _shown(path, suffixes, deep=deep)
        elif suffix in suffixes:
            yield path


def _all_named(paths: Sequence[Path], naming: Naming) -> list[Item]:
    return [Item(path, name) for path, name in zip(paths, naming(paths), strict=True)]


def _bare(path: PurePath) -> PurePath:
    """A path without its suffix, both halves of ``.ome.tif``."""
    return path.with_name(path.stem.removesuffix(".ome") or path.stem)


def _check_names(items: Sequence[Item]) -> None:
    names: dict[str, Item] = {}
    for item in items:
        other = names.setdefault(item.key.lower(), item)
        if other is not item:
            raise DataError(
                "two images would be written under one name",
                found=f"{other.path} and {item.path}",
                hint="rename one, write them into different folders, or name them in a manifest",
            )


def _check_targets(items: Sequence[Item], out: Path, suffixes: Sequence[str]) -> None:
    sources = {item.path.resolve() for item in items}
    for target in (output_path(out, item, suffix) for item in items for suffix in suffixes):
        if target.resolve() in sources:
            raise DataError(
                f"{target} is an input and would be overwritten",
                hint="choose another output folder: -o FOLDER",
            )
