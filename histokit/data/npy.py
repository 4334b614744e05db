"""Reader of NumPy arrays: stacks of images and labels, or patches of all channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_generic import NPY
from histokit.data.checks import label_paths, shared_findings
from histokit.data.generic import apart, numbered_names
from histokit.data.kinds import class_findings, majority, require_classes
from histokit.data.layout import check_variant, files, find_parts
from histokit.data.masks import components, foreground, is_noisy_binary, levels, renumbered
from histokit.data.stacks import Stack, is_stack, open_stack
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record

NAMES = "classes.txt"
PARTS = ("train", "val", "test")
ARRAYS = (".npy", ".npz")


@final
@dataclass(frozen=True)
class Npy(Dataset):
    """NumPy arrays, opened. An object has the class of most of its pixels. Each image is its own
    group: what belongs together is not in the files.
    """

    found: tuple[Record, ...]
    places: Mapping[str, tuple[Path, int]]
    class_names: tuple[str, ...]
    variant: str

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The arrays under `root`, which may be the one file; see the card for variants.

        Classes are named by ``classes.txt`` beside the arrays, or else by the numbers that occur.
        Raises DataError; a patch that cannot be read is told when it is.
        """
        variant = check_variant(NPY, variant)
        folder, paths = _sources(root)
        found: list[Record] = []
        places: dict[str, tuple[Path, int]] = {}
        highest = 0
        for path in paths:
            stack = _opened(path, paths)
            highest = max(highest, stack.highest if stack else 0)
            for row in range(len(stack.images) if stack else 1):
                record = _record(path, row, stack, paths)
                found.append(record)
                places[record.key] = path, row
        names = folder / NAMES
        known = _names(names) if names.is_file() else numbered_names(highest)
        return cls(tuple(found), places, known, variant)

    def records(self) -> Sequence[Record]:
        """All images, in the order of the files and of their rows."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        path, row = self.places[record.key]
        return open_stack(path).image(row)

    def labels(self, record: Record) -> Labels:
        """The objects of an image and their classes. Raises DataError with the path, also where
        it cannot be known what the values of a map mean.
        """
        label_paths(record)
        path, row = self.places[record.key]
        stack = open_stack(path)
        values, kinds = stack.maps(row)
        if not stack.surely_ids and _is_binary(stack, row, values, self.variant):
            ids = components(foreground(values))
        else:
            ids = renumbered(values)
        if kinds is None:
            return Labels(ids)
        require_classes(f"{path}[{row}]", kinds, self.class_names)
        return Labels(ids, majority(ids, kinds))

    def verify(self) -> Iterator[Finding]:
        """Objects without class, and the shared checks."""
        named = replace(self, found=apart(self.found))
        if self.class_names:
            yield from class_findings(named, named.found)
        yield from shared_findings(named)


def _sources(root: Path) -> tuple[Path, list[Path]]:
    """The folder of the arrays, and what holds images: itself, its archives, or its patches.

    Raises DataError, naming the expected tree, where there is none.
    """
    path = root.expanduser().absolute()
    if path.is_file():
        return path.parent, [path]
    parts = find_parts(root, NPY, lambda folder: bool(files(folder, ARRAYS)), lambda _: False)
    if len(parts) > 1:
        raise DataError(
            f"several folders of arrays are in {root}",
            expected="one",
            found=", ".join(str(part) for part in parts[:5]),
            hint="name one of them",
        )
    folder = parts[0]
    if is_stack(folder):
        return folder, [folder]
    return folder, files(folder, (".npz",)) or files(folder, (".npy",))


def _opened(path: Path, paths: Sequence[Path]) -> Stack | None:
    """The arrays of a source; None for one of several patches that cannot be read."""
    try:
        return open_stack(path)
    except DataError:
        if path.suffix.lower() == ".npy" and len(paths) > 1:
            return None
        raise


def _record(path: Path, row: int, stack: Stack | None, paths: Sequence[Path]) -> Record:
    """An image: named by its row, by its file, or where both are needed by both."""
    if path.suffix.lower() == ".npy":
        key = path.stem
    else:
        key = str(row) if len(paths) == 1 else f"{path.stem}/{row}"
    split = path.stem if path.stem in PARTS else None
    labelled = stack is None or stack.ids is not None
    return Record(key, key, path, (path,) if labelled else (), split)


def _names(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read {path}", expected="a name a line", found=str(error)
        ) from error
    return tuple(line.strip() for line in lines if line.strip())


def _is_binary(stack: Stack, row: int, values: NDArray[np.int32], variant: str) -> bool:
    """Whether the values of a map mean object or not. Raises DataError where both could be."""
    present = levels(values)
    if variant != "auto":
        return variant == "binary"
    if len(present) <= 2 or is_noisy_binary(present):
        return True
    if stack.ids is not None and stack.ids.dtype.itemsize > 1:
        return False
    raise DataError(
        f"{stack.path}[{row}] may hold objects, classes or grey levels",
        expected="two values, or ids in more than 8 bits",
        found=f"8 bits with {len(present)} values up to {present[-1]}",
        hint="say what they are: npy@instances, or npy@binary for one kind of foreground",
    )
