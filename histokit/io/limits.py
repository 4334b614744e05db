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
MAX_DIRECTORIES = 1024
"""Pages of a TIFF that holds a slide, which may be levels, depths and pictures beside it."""
MAX_SLIDE = 10**11
"""Pixels of a level of a slide; the largest that are scanned have a few times 10**10."""
MAX_TILE = 256 * 2**20
"""Bytes of a tile or strip of a slide, decoded."""
MAX_JSON = 2**24
"""Bytes of a JSON file in which a record of histokit is looked for."""
MAX_NOTE = 2**20
"""Bytes of what a picture says of itself, and of the head of a GeoJSON file with its record."""
MAX_GEOJSON = 2**31
"""Bytes of GeoJSON, or of any other JSON file that is read whole, unpacked: some million nuclei."""
MAX_COORDINATE = 1e9
"""Pixels from the origin to a point of an outline."""
MAX_DRAWN = 1e6
"""The same of an outline that is drawn pixel by pixel, as one far off would fill the memory."""
MAX_ID = 2**31 - 1
"""Of an object in an id map."""
MAX_SHEET = 2**24
"""Bytes of a sheet of a spreadsheet, unpacked."""
MAX_TEXT = 2**24
"""Bytes of a text that comes with a data set, unpacked."""
MAX_ARRAYS = 2**36
"""Bytes of the arrays of an npz archive, unpacked."""
MAX_MEMBERS = 10_000
"""Arrays of an npz archive."""
MAX_WEIGHTS = 2**34
"""Bytes of the weights in a bundle."""
MAX_CARD = 2**20
"""Bytes of each of the texts in a bundle."""


PIECE = 2**20


class Readable(Protocol):
    """An open file of bytes."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or those that are left."""
        ...


def bounded(path: Path, handle: Readable, most: int) -> bytes:
    """What is left of an open file, which may be unpacked on the way. Raises DataError, naming
    `path`, where that is more than so many bytes; no more are ever in memory.
    """
    data = bytearray()
    while piece := handle.read(min(PIECE, most + 1 - len(data))):
        data += piece
        if len(data) > most:
            raise too_large(path, most)
    return bytes(data)


def too_large(path: Path, most: int) -> DataError:
    """The error that a file holds more than so many bytes."""
    return DataError(
        f"{path} is too large",
        expected=f"at most {most} bytes when it is unpacked",
        hint="split it; if it should be small, it may have been made to fill the memory",
    )


def too_many(path: Path, found: int, most: int, what: str) -> DataError:
    """The error that a file holds more than so many of something."""
    return DataError(
        f"{path} holds too many {what}",
        expected=f"at most {most}",
        found=str(found),
        hint="split it; it may have been made to fill the memory",
    )
