"""How much is taken from a file, whatever it says of itself; more is refused, as a file that was
made to fill the memory would hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from histokit.errors import DataError

MAX_PIXELS = 500_000_000
"""Of an image that is read whole; larger ones belong into a tiled slide."""
MAX_PAGES = 64
"""Of a TIFF that is read whole."""
MAX_TILE = 256 * 2**20
"""Bytes of a tile or strip of a slide, decoded."""
MAX_JSON = 2**24
"""Bytes of a JSON file in which a record of histokit is looked for."""
MAX_GEOJSON = 2**31
"""Bytes of GeoJSON, unpacked: some million nuclei."""
MAX_SHEET = 2**24
"""Bytes of a sheet of a spreadsheet, unpacked."""
MAX_TEXT = 2**24
"""Bytes of a text that comes with a data set, unpacked."""
MAX_ARRAYS = 2**36
"""Bytes of the arrays of an npz archive, unpacked."""
MAX_WEIGHTS = 2**34
"""Bytes of the weights in a bundle."""
MAX_CARD = 2**20
"""Bytes of each of the texts in a bundle."""


class Readable(Protocol):
    """An open file of bytes."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or those that are left."""
        ...


def bounded(path: Path, handle: Readable, most: int) -> bytes:
    """What is left of an open file, which may be unpacked on the way. Raises DataError, naming
    `path`, where that is more than so many bytes; no more are ever in memory.
    """
    data = handle.read(most + 1)
    if len(data) > most:
        raise too_large(path, most)
    return data


def too_large(path: Path, most: int) -> DataError:
    """The error that a file holds more than so many bytes."""
    return DataError(
        f"{path} is too large",
        expected=f"at most {most} bytes when it is unpacked",
        hint="split it; if it should be small, it may have been made to fill the memory",
    )
