"""PNG, JPEG and BMP files as raw samples.

Pillow's file classes are used directly: `Image.open` would bring in Pillow's own pixel limit,
which is a global, and formats that are not wanted here.
"""

from __future__ import annotations

import logging
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Exif
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from histokit.io.limits import MAX_NOTE
from histokit.io.raster import Alpha, Colour, Header, Opened, Raster, Refused

ORIENTATION = 0x0112
MODES: dict[str, tuple[Colour, Alpha]] = {
    "1": ("grey", "none"),
    "L": ("grey", "none"),
    "LA": ("grey", "straight"),
    "P": ("palette", "none"),
    "RGB": ("rgb", "none"),
    "RGBA": ("rgb", "straight"),
    "CMYK": ("cmyk", "none"),
}
PNG_CHANNELS: dict[int, tuple[Colour, int]] = {
    0: ("grey", 1),
    2: ("rgb", 3),
    4: ("grey", 2),
    6: ("rgb", 4),
}
_lock = threading.Lock()

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())
"""Its remarks on damaged metadata are for nobody; damaged pixels raise anyway."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Pillow's remarks on damaged metadata from the user; damaged pixels raise anyway.

    Nothing inside may read from a disk: one that does not answer would stop all other readers.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _in_memory(handle: BinaryIO) -> BinaryIO:
    """The whole file."""
    handle.seek(0)
    return BytesIO(handle.read())


def open_png(handle: BinaryIO) -> Opened:
    """A PNG. Samples of 16 bits go through libpng, because Pillow cuts those of colours to 8; so do
    those of 8 bits without palette and without a transparent colour, because it is quicker.
    """
    chunks = dict(_png_chunks(handle))
    if b"acTL" in chunks:
        raise Refused("an animated PNG", "save the wanted frame as a file of its own")
    if len(chunks.get(b"IHDR", b"")) != 13:
        raise Refused("a PNG without a header")
    width, height, bits, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    header = Header(height, width, bits, _orientation(chunks.get(b"eXIf", b"")))
    if bits == 16 or (bits == 8 and kind in PNG_CHANNELS and b"tRNS" not in chunks):
        return Opened(header, lambda: _plain_png(handle, header, kind))
    return Opened(header, lambda: _other_png(handle, header))


def open_jpeg(handle: BinaryIO) -> Opened:
    """A JPEG; only its first image where it holds several."""
    data = _in_memory(handle)
    with _quiet():
        image = JpegImageFile(data)
    orientation = _orientation(image.info.get("exif", b""))
    header = Header(image.height, image.width, 8, orientation, lossless=False)
    return Opened(header, lambda: _raster(image, header))


def open_bmp(handle: BinaryIO) -> Opened:
    """A Windows bitmap."""
    data = _in_memory(handle)
    data.seek(28)
    (bits,) = struct.unpack("<H", data.read(2))
    data.seek(0)
    with _quiet():
        image = BmpImageFile(data)
    if image.mode == "L" and bits != 8:
        raise Refused(f"a grey bitmap of {bits} bits a pixel", "save it as PNG")
    header = Header(image.height, image.width, 1 if image.mode == "1" else 8)
    return Opened(header, lambda: _raster(image, header))


def _png_chunks(handle: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that the header needs, wherever they stand; pixel data is skipped."""
    handle.seek(8)
    while len(start := handle.read(8)) == 8:
        length, name = struct.unpack(">I4s", start)
        wanted = name in (b"IHDR", b"eXIf", b"acTL") and length <= MAX_NOTE
        yield name, handle.read(length) if wanted else b""
        handle.seek(4 if wanted else length + 4, 1)


def _orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 where there is none or the block is damaged."""
    if not exif:
        return 1
    block = Exif()
    try:
        with _quiet():
            block.load(exif)
            value = block.get(ORIENTATION, 1)
    except (SyntaxError, struct.error, ValueError, KeyError, TypeError):
        return 1
    return value if value in range(1, 9) else 1


def _plain_png(handle: BinaryIO, header: Header, kind: int) -> Raster:
    from imagecodecs import PngError, png_decode

    handle.seek(0)
    try:
        samples = png_decode(handle.read())
    except PngError as error:
        if "too small" in str(error):
            raise EOFError("the image file is truncated") from error
        raise
    colour, channels = PNG_CHANNELS[kind]
    found = samples.shape[2] if samples.ndim == 3 else 1
    if samples.itemsize * 8 != header.bits or found not in (channels, channels + 1):
        raise Refused(
            f"a {header.bits}-bit PNG that decodes to {samples.dtype} with {found} channels"
        )
    return Raster(header, samples, colour, "straight" if found in (2, 4) else "none")


def _other_png(handle: BinaryIO, header: Header) -> Raster:
    data = _in_memory(handle)
    with _quiet():
        image = PngImageFile(data)
    return _raster(image, header)


def _raster(image: ImageFile, header: Header) -> Raster:
    if image.mode not in MODES:
        raise Refused(f"pixels of Pillow's mode {image.mode}")
    image.load()
    colour, alpha = MODES[image.mode]
    samples = np.array(image)
    step = 255 // (2**header.bits - 1) if image.mode == "L" else 1
    if step > 1:  # Pillow spreads 2- and 4-bit grey over 0..255
        samples //= np.uint8(step)
    key = image.info.get("transparency")
    if colour == "palette":
        return Raster(header, samples, colour, palette=_palette(image, key))
    if isinstance(key, int):
        key = (key,)
    return Raster(header, samples, colour, alpha, key=key if alpha == "none" else None)


def _palette(image: ImageFile, transparency: Any) -> NDArray[np.uint8]:
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette = np.full((len(colours), 4), 255, np.uint8)
    palette[:, :3] = colours
    if isinstance(transparency, bytes):
        alpha = np.frombuffer(transparency, np.uint8)[: len(palette)]
        palette[: len(alpha), 3] = alpha
    elif isinstance(transparency, int) and transparency < len(palette):
        palette[transparency, 3] = 0
    return palette
