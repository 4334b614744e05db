"""One image or slide of many, with its name in the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

Naming = Callable[[Sequence[Path]], list[PurePath]]
"""Gives each path its name in the output, where nobody has named it."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image or slide, what its manifest says of it, and its name in the output.

    Attributes:
        path: of the file.
        name: folders below the input, and no suffix.
        mpp: micrometres a pixel; None where the manifest says nothing.
        mask: see `histokit.run.slide.mask.tissue_of`; empty where the manifest says nothing.
        carried: what its row of summary.csv repeats from the manifest, by heading.
    """

    path: Path
    name: PurePath
    mpp: float | None = None
    mask: str = ""
    carried: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name as text, the same on every system."""
        return self.name.as_posix()


def output_path(out: Path, item: Item, suffix: str) -> Path:
    """Where the output of an item lies."""
    return out / item.name.parent / f"{item.name.name}{suffix}"
