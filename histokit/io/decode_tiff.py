"""TIFF files of one page as raw samples."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from math import prod
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from histokit.io.limits import MAX_NOTE, MAX_PAGES
from histokit.io.raster import Alpha, Colour, Header, Opened, Raster, Refused

LOSSLESS = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000})
"""Compressions that keep every sample: none, CCITT, LZW, deflate, PackBits, LZMA, Zstandard."""
JPEG = 7
CHANNELS: dict[int, tuple[Colour, int]] = {
    0: ("grey", 1),
    1: ("grey", 1),
    2: ("rgb", 3),
    3: ("palette", 1),
    5: ("cmyk", 4),
    6: ("rgb", 3),
}
"""Colour and channels of each photometric interpretation; 6 is YCbCr, decoded to RGB by JPEG."""
BITS, COMPRESSION, COLOURS = 258, 259, 262
"""Numbers of tags."""
FAX = frozenset({2, 3, 4})
"""Compressions of one bit, so that no file has to say it."""
ALPHAS: dict[int, Alpha] = {0: "unspecified", 1: "premultiplied", 2: "straight"}

logging.getLogger("tifffile").addHandler(logging.NullHandler())


def open_tiff(handle: BinaryIO) -> Opened:
    """A TIFF with one page of full size.

    Smaller pages (thumbnails, pyramid levels) are left aside. Two pages of full size are refused,
    because it cannot be known which is meant.
    """
    handle.seek(0)
    page = _full_page(tifffile.TiffFile(handle))
    if isinstance(page.bitspersample, tuple):
        raise Refused(f"channels of different depths, {page.bitspersample} bits")
    tag = page.tags.get(274)
    orientation = int(tag.value) if tag is not None and tag.value in range(1, 9) else 1
    header = Header(
        height=page.imagelength,
        width=page.imagewidth,
        bits=page.bitspersample,
        orientation=orientation,
        lossless=int(page.compression) in LOSSLESS,
    )
    return Opened(header, lambda: _decode(page, header))


def described(handle: BinaryIO) -> str:
    """The description of the first page; empty where it is longer than a note of histokit is."""
    handle.seek(0)
    first: Any = tifffile.TiffFile(handle).pages.first
    tag = first.tags.get(270)
    return str(first.description) if tag is not None and tag.count <= MAX_NOTE else ""


def _full_page(file: tifffile.TiffFile) -> Any:
    pages: list[Any] = list(islice(file.pages, MAX_PAGES + 1))
    if len(pages) > MAX_PAGES:
        raise Refused(f"more than {MAX_PAGES} pages", "save each page as a file of its own")
    if not pages:
        raise Refused("a TIFF without a page; it may be cut off")
    sizes = [(page.imagelength, page.imagewidth) for page in pages]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    if sizes.count(largest) > 1:
        raise Refused(
            f"a TIFF with {sizes.count(largest)} pages of {largest[0]}x{largest[1]} pixels",
            "save each page as a file of its own",
        )
    return pages[sizes.index(largest)]


def _decode(page: Any, header: Header) -> Raster:
    _check_complete(page)
    colour, channels = _meaning(page)
    _check_told(page, header)
    parts = page.asarray(squeeze=False)  # [planes depth height width channels]
    if parts.shape[1] != 1:
        raise Refused(f"a volume of {parts.shape[1]} layers")
    samples = np.moveaxis(parts[:, 0], 0, -2).reshape(header.height, header.width, -1)
    extra = samples.shape[2] - channels
    if extra not in (0, 1):
        raise Refused(f"{samples.shape[2]} channels", "keep 1 (grey), 3 (RGB) or 4 (RGBA)")
    kind = int(page.extrasamples[0]) if page.extrasamples else 0
    return Raster(
        header,
        _upright_values(samples, page, header.bits),
        colour,
        ALPHAS[kind] if extra else "none",
        palette=_palette(page) if colour == "palette" else None,
        inverted=page.photometric == 0,
    )


def _check_complete(page: Any) -> None:
    """Refuses strips or tiles that are missing or end behind the file.

    tifffile reads missing ones as zeros.
    """
    size = page.parent.filehandle.size
    pairs = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not pairs or len(page.dataoffsets) != len(page.databytecounts):
        raise Refused("a TIFF without pixel data")
    if len(pairs) != prod(page.chunked) or any(min(pair) <= 0 for pair in pairs):
        raise Refused("a TIFF with missing strips or tiles")
    if any(offset + count > size for offset, count in pairs):
        raise Refused("a TIFF that is cut off before the end of its pixel data")


def _check_told(page: Any, header: Header) -> None:
    """Refuses pixels whose kind of colours is not said, or that do not fill the size that is.

    tifffile takes white as zero, one bit and no compression where nothing is said, as TIFF does;
    then there must be just as many bytes as that means, since the tag may be damaged.
    """
    if COLOURS not in page.tags:
        raise Refused("a TIFF that does not say what its values mean")
    silent = BITS not in page.tags or COMPRESSION not in page.tags
    if page.compression != 1 and (page.compression in FAX or not silent):
        return
    needed, found = _bytes_told(page, header), sum(page.databytecounts)
    if page.compression != 1:
        found = sum(len(part) for part in _unpacked(page, needed + 1))
    if found < needed or (found > needed and silent):
        raise Refused(f"a TIFF with {found} bytes of pixels where its size means {needed}")


def _bytes_told(page: Any, header: Header) -> int:
    """Bytes of all pixels, by size, channels and bits."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        row = -(-page.tilewidth * samples * header.bits // 8)
        return len(page.dataoffsets) * page.tilelength * row
    row = -(-header.width * samples * header.bits // 8)
    return page.samplesperpixel // samples * header.height * row


def _unpacked(page: Any, most: int) -> Iterator[bytes]:
    """Each strip or tile, as its compression gives it, and no more than so many bytes of it."""
    unpack = tifffile.TIFF.DECOMPRESSORS[page.compression]
    handle = page.parent.filehandle
    for data, _ in handle.read_segments(page.dataoffsets, page.databytecounts):
        yield unpack(data, out=most)


def _meaning(page: Any) -> tuple[Colour, int]:
    photometric = int(page.photometric)
    if photometric not in CHANNELS or (photometric == 6 and page.compression != JPEG):
        raise Refused(f"colours of kind {page.photometric!r}", "save it as RGB")
    if photometric == 1 and page.samplesperpixel in (3, 4):
        return "rgb", 3
    return CHANNELS[photometric]


def _upright_values(samples: NDArray[Any], page: Any, bits: int) -> NDArray[Any]:
    """Samples with white as the highest value."""
    if page.photometric != 0:
        return samples
    if samples.dtype.kind == "b":
        return ~samples
    if samples.dtype.kind != "u":
        raise Refused("signed or float samples that count from white to black")
    return samples.dtype.type(2**bits - 1) - samples


def _palette(page: Any) -> NDArray[np.uint8]:
    colours = np.asarray(page.colormap).T.astype(np.uint32)
    if colours.max(initial=0) > 255:
        colours >>= 8  # right for writers that count to 65280 and to 65535
    palette = np.full((len(colours), 4), 255, np.uint8)
    palette[:, :3] = colours
    return palette
