"""Pyramidal OME-TIFF written part by part, in any order, without holding the picture."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, final
from uuid import NAMESPACE_URL, uuid5

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from histokit.errors import ContractError
from histokit.io.files import atomic

Pixels = NDArray[np.uint8]
Compression: TypeAlias = Literal["jpeg", "deflate"]
Put = Callable[[int, int, Pixels], None]
"""Takes a part of the picture: its first row and column, and its pixels [h w 3]."""
SUFFIX = ".ome.tif"
TILE = 512
"""Side of a tile in pixels."""
QUALITY = 90
"""Of JPEG, in 1..100; colours are kept at full resolution."""
LEVEL = 6
"""Of deflate, by libdeflate: as small as zlib's, in less than half of the time."""
LARGE = 2**31
"""Bytes of uncompressed pixels from which the file is a BigTIFF."""
WHITE = 255
NAMESPACE = uuid5(NAMESPACE_URL, "histokit/pyramid")


@contextmanager
def ome_pyramid(
    path: Path,
    size: tuple[int, int],
    *,
    mpp: tuple[float, float] | None = None,
    compression: Compression = "jpeg",
    provenance: Mapping[str, Any] | None = None,
) -> Iterator[Put]:
    """A function that takes the parts of a picture; the file is there when the block ends well.

    Parts begin at multiples of `TILE` and are multiples of it large, but where the picture ends;
    what no part covers is white. Each smaller level, a sub-IFD, has the means of 2 x 2 pixels of
    the one before as it is stored, without an odd last row and column; the last one fits a tile.
    The same parts give the same bytes.

    Compressed tiles wait in a file without a name beside `path`, so that memory is that of a few
    tiles and the disk needs room for the result twice.

    Args:
        path: of the file.
        size: rows and columns.
        mpp: micrometres a pixel along (x, y).
        compression: JPEG of quality `QUALITY`, or lossless.
        provenance: what made the picture, the description of the image as JSON.

    Raises ContractError for a part that lies elsewhere.
    """
    about = json.dumps(dict(provenance or {}), allow_nan=False, sort_keys=True)
    with atomic(path) as temporary, tempfile.TemporaryFile(dir=path.parent) as scratch:
        levels = [_Level(size, compression, scratch)]
        yield levels[0].put
        while max(levels[-1].size) > TILE:
            levels.append(_halved(levels[-1], compression, scratch))
        _write(temporary, levels, path.name, mpp, compression, about)


@final
class _Level:
    """The compressed tiles of one level, each padded to a full one, in a scratch file."""

    def __init__(self, size: tuple[int, int], compression: Compression, scratch: IO[bytes]) -> None:
        self.size = size
        self.grid = -(-size[0] // TILE), -(-size[1] // TILE)
        self._compression: Compression = compression
        self._scratch = scratch
        self._index = np.zeros((*self.grid, 2), np.int64)
        """Offset and length of each tile; no length where it is white."""
        self._white = _encoded(np.full((TILE, TILE, 3), WHITE, np.uint8), compression)

    def put(self, top: int, left: int, pixels: Pixels) -> None:
        """Takes a part; see `ome_pyramid`."""
        self._require_place(top, left, pixels)
        for row in range(0, pixels.shape[0], TILE):
            for col in range(0, pixels.shape[1], TILE):
                part = pixels[row : row + TILE, col : col + TILE]
                self._store((top + row) // TILE, (left + col) // TILE, part)

    def get(self, row: int, col: int) -> Pixels | None:
        """The pixels of a tile as they are stored, [TILE TILE 3]; None where it is white or there
        is none.
        """
        if row >= self.grid[0] or col >= self.grid[1] or not self._index[row, col, 1]:
            return None
        return _decoded(self._bytes(row, col), self._compression)

    def tiles(self) -> Iterator[bytes]:
        """The compressed tiles, row by row."""
        for row, col in np.ndindex(*self.grid):
            yield self._bytes(row, col) if self._index[row, col, 1] else self._white

    def _store(self, row: int, col: int, part: Pixels) -> None:
        if (part == WHITE).all():
            self._index[row, col] = 0
            return
        missing = [(0, TILE - side) for side in part.shape[:2]]
        data = _encoded(np.pad(part, (*missing, (0, 0)), "edge"), self._compression)
        offset = self._scratch.seek(0, 2)
        self._scratch.write(data)
        self._index[row, col] = offset, len(data)

    def _bytes(self, row: int, col: int) -> bytes:
        offset, length = self._index[row, col].tolist()
        self._scratch.seek(offset)
        return self._scratch.read(length)

    def _require_place(self, top: int, left: int, pixels: Pixels) -> None:
        ends = top + pixels.shape[0], left + pixels.shape[1]
        whole = all(
            end <= side and (end % TILE == 0 or end == side)
            for end, side in zip(ends, self.size, strict=True)
        )
        if top % TILE or left % TILE or min(top, left) < 0 or not whole:
            raise ContractError(
                "a part of a pyramid lies beside its tiles",
                expected=f"multiples of {TILE} within {self.size[0]} x {self.size[1]} pixels",
                found=f"rows {top} to {ends[0]}, columns {left} to {ends[1]}",
            )


def _halved(level: _Level, compression: Compression, scratch: IO[bytes]) -> _Level:
    """The next smaller level."""
    height, width = (max(1, side // 2) for side in level.size)
    small = _Level((height, width), compression, scratch)
    for row, col in np.ndindex(*small.grid):
        four = [[level.get(2 * row + y, 2 * col + x) for x in (0, 1)] for y in (0, 1)]
        if all(tile is None for pair in four for tile in pair):
            continue
        joined = np.block([[[_or_white(tile)] for tile in pair] for pair in four])
        part = _means(joined)[: height - row * TILE, : width - col * TILE]
        small.put(row * TILE, col * TILE, part)
    return small


def _or_white(tile: Pixels | None) -> Pixels:
    return np.full((TILE, TILE, 3), WHITE, np.uint8) if tile is None else tile


def _means(pixels: Pixels) -> Pixels:
    """The means of 2 x 2 pixels, halves rounded up."""
    wide = pixels.astype(np.uint16)
    sums = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
    return ((sums + 2) // 4).astype(np.uint8)


def _encoded(tile: Pixels, compression: Compression) -> bytes:
    tile = np.ascontiguousarray(tile)
    if compression == "deflate":
        steps = np.asarray(imagecodecs.delta_encode(tile, axis=-2))
        return bytes(imagecodecs.deflate_encode(steps.tobytes(), level=LEVEL))
    return bytes(
        imagecodecs.jpeg8_encode(
            tile,
            level=QUALITY,
            colorspace="RGB",
            outcolorspace="YCBCR",
            subsampling="444",
            optimize=True,
        )
    )


def _decoded(data: bytes, compression: Compression) -> Pixels:
    if compression == "deflate":
        steps = np.frombuffer(zlib.decompress(data), np.uint8).reshape(TILE, TILE, 3)
        return np.asarray(imagecodecs.delta_decode(steps, axis=-2))
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace="YCBCR", outcolorspace="RGB"))


def _write(
    path: Path,
    levels: list[_Level],
    name: str,
    mpp: tuple[float, float] | None,
    compression: Compression,
    about: str,
) -> None:
    """The file of some levels."""
    metadata: dict[str, Any] = {"axes": "YXS", "Name": name, "Description": about}
    metadata |= {"Creator": "histokit", "UUID": str(uuid5(NAMESPACE, f"{name} {about}"))}
    for axis, value in zip("XY", mpp or (), strict=False):
        metadata |= {f"PhysicalSize{axis}": value, f"PhysicalSize{axis}Unit": "µm"}
    codec: dict[str, Any] = {"compression": "zlib", "predictor": True}
    if compression == "jpeg":
        codec = {"compression": "jpeg", "subsampling": (1, 1)}
    large = levels[0].size[0] * levels[0].size[1] * 3 > LARGE
    with tifffile.TiffWriter(path, bigtiff=large, ome=True) as file:
        for number, level in enumerate(levels):
            per_cm = None if mpp is None else tuple(10_000 / side / 2**number for side in mpp)
            file.write(
                level.tiles(),
                shape=(*level.size, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                subifds=len(levels) - 1 if number == 0 else None,
                subfiletype=int(number > 0),
                resolution=per_cm,
                resolutionunit="CENTIMETER" if per_cm else None,
                metadata=metadata if number == 0 else None,
                **codec,
            )
