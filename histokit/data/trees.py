"""Walking up and down the folders of data sets whose files lie at several depths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from histokit.data.layout import subfolders

DEPTH = 5
"""How far below the named folder files are looked for."""


def below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """A folder and all folders in it, down to `depth`, in natural order."""
    yield folder
    if depth > 0:
        for sub in subfolders(folder):
            yield from below(sub, depth - 1)


def climb(start: Path, is_inside: Callable[[str], bool]) -> Path:
    """The first folder from `start` upwards whose name is not that of a folder within."""
    folder = start
    while is_inside(folder.name) and folder.parent != folder:
        folder = folder.parent
    return folder
