"""Slides in TIFF: generic pyramids, Aperio SVS and OME-TIFF, decoded tile by tile."""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
import tifffile

from histokit.io.limits import MAX_DIRECTORIES, MAX_TILE
from histokit.io.raster import Refused
from histokit.io.slides import Level, Pixels, Slide, damaged, over_white, plausible, too_large

KEPT = 64 * 2**20
"""Bytes of decoded tiles that a slide keeps."""
FOREIGN = ("is_ndpi", "is_bif", "is_scn", "is_philips", "is_qpi", "is_avs", "is_eer", "is_lsm")
"""Kinds of TIFF that hold a slide in another way than by pages of levels."""
MICROMETRES: Mapping[str, float] = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
}
"""Units of OME-XML; the micro sign has two code points."""
PER_UNIT: Mapping[int, float] = {2: 25_400.0, 3: 10_000.0}
"""Micrometres in an inch and a centimetre, by the code of TIFF."""
WHITE = 255


@final
class TiffSlide(Slide):
    """A tiled TIFF whose pages, or sub-pages, are the levels of one RGB image.

    Raises Refused where tifffile reads it but this class does not, DataError where its tiles are
    too large.
    """

    backend = "tifffile"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = tifffile.TiffFile(path)
        try:
            self._pages = _level_pages(self._file)
            for page in self._pages:
                _check(path, page)
            self.levels = tuple(Level(page.imagewidth, page.imagelength) for page in self._pages)
            self.mpp = plausible(_mpp(self._file, self._pages[0]))
            self.power = _aperio(self._file, "AppMag")
        except Exception:  # any: the file is let go of, and the error goes on as it is
            self._file.close()
            raise
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._bytes = 0

    def region(self, level: int, x: int, y: int, width: int, height: int) -> Pixels:
        """See `Slide.region`."""
        page = self._pages[level]
        high, wide = page.chunks[0], page.chunks[1]
        across = -(-page.imagewidth // wide)
        out = np.empty((height, width, 3), np.uint8)
        columns = range(x // wide, -(-(x + width) // wide))
        for row in range(y // high, -(-(y + height) // high)):
            tiles = self._tiles(level, [row * across + col for col in columns])
            for col, tile in zip(columns, tiles, strict=True):
                top, left = max(y, row * high), max(x, col * wide)
                part = tile[top - row * high :, left - col * wide :]
                part = part[: y + height - top, : x + width - left]
                into = out[top - y :, left - x :]
                into[: part.shape[0], : part.shape[1]] = part
        return out

    def _tiles(self, level: int, numbers: Sequence[int]) -> Iterator[Pixels]:
        """Decoded tiles, RGB; the last ones are kept."""
        with self._lock:
            kept = {n: self._kept[level, n] for n in numbers if (level, n) in self._kept}
            for number in kept:
                self._kept.move_to_end((level, number))
        wanted = [number for number in numbers if number not in kept]
        stored = iter(self._stored(level, wanted) if wanted else ())
        for number in numbers:
            yield kept[number] if number in kept else self._new(level, number, next(stored))

    def _new(self, level: int, number: int, data: bytes | None) -> Pixels:
        """A tile that is decoded and kept from now on."""
        tile = self._decoded(level, number, data)
        with self._lock:
            if (level, number) not in self._kept:
                self._kept[level, number] = tile
                self._bytes += tile.nbytes
            while self._bytes > KEPT and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return tile

    def _stored(self, level: int, numbers: Sequence[int]) -> list[bytes | None]:
        """The bytes of tiles as they are stored; None for those that were left out."""
        with self._reading:
            return [self._part(level, number) for number in numbers]

    def _part(self, level: int, number: int) -> bytes | None:
        page = self._pages[level]
        offset, count = page.dataoffsets[number], page.databytecounts[number]
        if offset == 0 or count == 0:
            return None
        try:
            self._file.filehandle.seek(offset)
            data = self._file.filehandle.read(count)
        except OSError as error:
            raise damaged(self.path, f"in tile {number} of level {level}", error) from error
        if len(data) != count:
            lost = EOFError(f"{count} bytes expected, {len(data)} there")
            raise damaged(self.path, f"in tile {number} of level {level}", lost)
        return bytes(data)

    def _decoded(self, level: int, number: int, data: bytes | None) -> Pixels:
        page = self._pages[level]
        try:
            found, _, shape = page.decode(data, number, jpegtables=page.jpegtables)
        except Exception as error:  # each codec raises its own kind
            raise damaged(self.path, f"in tile {number} of level {level}", error) from error
        if found is None:
            return np.full((shape[1], shape[2], 3), WHITE, np.uint8)
        return _rgb(found[0, : shape[1], : shape[2]], page)

    def _close(self) -> None:
        self._file.close()


def pyramid_levels(path: Path) -> tuple[int, int, bool]:
    """Levels and pixels of a TIFF as `TiffSlide` sees it, and whether it is tiled.

    Raises what tifffile raises.
    """
    with tifffile.TiffFile(path) as file:
        pages = _level_pages(file)
        return len(pages), pages[0].imagewidth * pages[0].imagelength, bool(pages[0].is_tiled)


def all_pages(file: tifffile.TiffFile) -> list[Any]:
    """The pages of a TIFF. Raises Refused where they are too many; in a damaged file they may go
    round in a circle.
    """
    pages: list[Any] = list(islice(file.pages, MAX_DIRECTORIES + 1))
    if len(pages) > MAX_DIRECTORIES:
        raise Refused(f"a TIFF of more than {MAX_DIRECTORIES} pages, or pages in a circle")
    return pages


def _level_pages(file: tifffile.TiffFile) -> list[Any]:
    """The first page of each level of the first image."""
    all_pages(file)
    if not file.series:
        raise Refused("a TIFF without an image")
    levels = file.series[0].levels
    if any(len(level.pages) != 1 for level in levels):
        raise Refused(f"a stack of {len(levels[0].pages)} planes")
    return [level.keyframe for level in levels]


def _check(path: Path, page: Any) -> None:
    """Refuses what cannot be read as tiles of RGB."""
    foreign = [name[3:] for name in FOREIGN if getattr(page.parent, name, False)]
    if foreign:
        raise Refused(f"a slide of kind {foreign[0]}")
    if page.dtype != np.uint8 or page.bitspersample != 8:
        raise Refused(f"samples of {page.bitspersample} bits")
    if page.planarconfig != 1 or page.imagedepth != 1:
        raise Refused("colours in separate planes")
    if page.photometric not in (1, 2, 6) or page.samplesperpixel not in (1, 3, 4):
        raise Refused(f"{page.samplesperpixel} channels of kind {page.photometric!r}")
    _check_tiles(path, page)
    if not len(page.dataoffsets) == len(page.databytecounts) == math.prod(page.chunked):
        raise Refused(f"{len(page.dataoffsets)} tiles, where {math.prod(page.chunked)} belong")
    size = page.parent.filehandle.size
    ends = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(offset + count > size for offset, count in ends):
        raise Refused("a slide that is cut off before the end of its pixels")


def _check_tiles(path: Path, page: Any) -> None:
    """Refuses tiles or strips that would fill the memory."""
    side, size = "x".join(map(str, page.chunks[1::-1])), math.prod(map(int, page.chunks))
    if size > MAX_TILE:
        raise too_large(
            path, f"tiles or strips of at most {MAX_TILE} bytes", f"one of {side} pixels"
        )


def _rgb(samples: Pixels, page: Any) -> Pixels:
    if samples.shape[2] == 1:
        return np.repeat(samples, 3, axis=2)
    if samples.shape[2] == 4 and page.extrasamples and int(page.extrasamples[0]) == 2:
        return over_white(samples)
    return np.ascontiguousarray(samples[..., :3])


def _mpp(file: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    """Micrometres a pixel along (x, y): of OME-XML, of Aperio's text, or of the resolution."""
    if file.is_ome:
        return _ome_mpp(file.ome_metadata or "")
    if file.is_svs:
        size = _aperio(file, "MPP")
        return None if size is None else (size, size)
    unit = page.tags.get("ResolutionUnit")
    counts = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if unit is None or int(unit.value) not in PER_UNIT or None in counts:
        return None
    (a, b), (c, d) = (tag.value for tag in counts)
    if not (a and b and c and d):
        return None
    return PER_UNIT[int(unit.value)] * b / a, PER_UNIT[int(unit.value)] * d / c


def _ome_mpp(xml: str) -> tuple[float, float] | None:
    """The physical size of the first image's pixels."""
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", xml)
    if pixels is None:
        return None
    said = dict(re.findall(r"(\w+)\s*=\s*\"([^\"]*)\"", pixels.group()))
    sizes = []
    for axis in "XY":
        unit = MICROMETRES.get(said.get(f"PhysicalSize{axis}Unit", "µm"))
        try:
            sizes.append(float(said[f"PhysicalSize{axis}"]) * (unit or float("nan")))
        except (KeyError, ValueError):
            return None
    return sizes[0], sizes[1]


def _aperio(file: tifffile.TiffFile, name: str) -> float | None:
    """A number of the text in which Aperio keeps what it knows of a slide."""
    if not file.is_svs:
        return None
    found = re.search(rf"\|\s*{name}\s*=\s*([0-9.]+)", file.pages.first.description)
    try:
        return float(found.group(1)) if found else None
    except ValueError:
        return None
