"""What killed processes left half-written in an output folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import final

from histokit.io.files import PART, remove
from histokit.run.cohort.claims import STATES

WHOLE = ".zarr"
"""Ending of outputs that are folders; nothing in them is half-written."""


@final
class LeftOvers:
    """The files and folders that are half-written in the output folder `out`, as they lie there at
    the first look.
    """

    def __init__(self, out: Path) -> None:
        self._out = out

    def remove(self, name: str, pid: int) -> None:
        """Removes what a process began of the outputs of an item, by its name without folders."""
        for path in self._paths:
            if path.name.startswith(f".{name}.") and path.name.endswith(f".{pid}{PART}"):
                with suppress(OSError):  # hidden, it is in nobody's way
                    remove(path)

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        return tuple(_half_written(self._out))


def _half_written(out: Path) -> Iterator[Path]:
    """What is half-written; folders that other processes remove meanwhile are passed over."""
    for folder, below, files in os.walk(out):
        yield from (Path(folder, name) for name in (*below, *files) if name.endswith(PART))
        below[:] = [name for name in below if name != STATES and not name.endswith((PART, WHOLE))]
