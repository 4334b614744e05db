"""Thirty-one odd and damaged image files, each with what an honest reader makes of it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 24, 37
RNG = np.random.default_rng(11)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
BITS = GREY > 127
ALPHA = RNG.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3), dtype=np.uint16)
IDS = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 4).astype(np.uint16)
"""More than 255 ids, more than 3000 the highest."""
MANY = IDS.astype(np.int32) * 100_000
PALETTE = RNG.integers(0, 256, (7, 3), dtype=np.uint8)
FEW = (GREY % 7).astype(np.uint8)
UNIT = RNG.random((HEIGHT, WIDTH, 3)).astype(np.float32)


@dataclass(frozen=True)
class OddFile:
    """A file, and the arrays that its image and its mask are; None where it must be refused."""

    name: str
    data: bytes
    image: NDArray[np.uint8] | None = None
    mask: NDArray[Any] | None = None


def odd_files() -> list[OddFile]:
    """The whole set."""
    return [*_sound(), *_unusual(), *_masks(), *_several(), *_damaged(), *_hostile()]


def grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """One channel as the three of an image."""
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def pillow(image: NDArray[Any] | Image.Image, kind: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    made = image if isinstance(image, Image.Image) else Image.fromarray(image)
    out = io.BytesIO()
    made.save(out, kind, **options)
    return out.getvalue()


def tiff(array: NDArray[Any], **options: Any) -> bytes:
    """A file as tifffile writes it."""
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    """A NumPy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of some chunks with right checksums."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in (*chunks, (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + data))
        parts += [struct.pack(">I", len(data)), name, data, check]
    return b"".join(parts)


def decoded(data: bytes) -> NDArray[np.uint8]:
    """What Pillow decodes a JPEG to, before any rotation."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _sound() -> Iterator[OddFile]:
    jpeg = pillow(RGB, "jpeg", quality=92)
    yield OddFile("control.jpg", jpeg, decoded(jpeg))
    yield OddFile("control.png", pillow(RGB, "png"), RGB)
    yield OddFile("really_png.jpg", pillow(RGB, "png"), RGB)


def _unusual() -> Iterator[OddFile]:
    exif = Image.Exif()
    exif[274] = 6
    turned = pillow(RGB, "jpeg", exif=exif)
    yield OddFile("exif.jpg", turned, np.rot90(decoded(turned), -1))
    cmyk = pillow(Image.fromarray(RGB).convert("CMYK"), "jpeg", quality=95)
    yield OddFile("cmyk.jpg", cmyk, decoded(cmyk))
    share = ALPHA[..., None] / 255
    over_white = np.floor(RGB * share + 255 * (1 - share) + 0.5).astype(np.uint8)
    yield OddFile("rgba.png", pillow(np.dstack([RGB, ALPHA]), "png"), over_white)
    yield OddFile("palette.png", pillow(_indexed(), "png"), PALETTE[FEW], FEW)
    scaled = np.rint(DEEP / 257).astype(np.uint8)
    yield OddFile("deep.png", imagecodecs.png_encode(DEEP), scaled)
    yield OddFile("deep.tif", tiff(DEEP, photometric="rgb", byteorder=">"), scaled)
    planes = np.moveaxis(RGB, 2, 0)
    yield OddFile("planar.tif", tiff(planes, photometric="rgb", planarconfig="separate"), RGB)
    unit = np.rint(UNIT.astype(np.float64) * 255).astype(np.uint8)
    yield OddFile("float.tif", tiff(UNIT, photometric="rgb"), unit)
    yield OddFile("float_wide.tif", tiff(UNIT * 255, photometric="rgb"))
    white = tiff(BITS, photometric="miniswhite")
    yield OddFile("bilevel.tif", white, grey(~BITS * 255), ~BITS)
    yield OddFile("bilevel.png", pillow(BITS, "png"), grey(BITS * 255), BITS)


def _masks() -> Iterator[OddFile]:
    bright = np.rint(IDS / 257)
    yield OddFile("ids16.png", pillow(IDS, "png"), grey(bright), IDS)
    yield OddFile("ids32.tif", tiff(MANY, compression="zlib"), None, MANY)
    yield OddFile("ids_rgb.png", pillow(grey(FEW), "png"), grey(FEW), FEW)
    too_high = np.full((HEIGHT, WIDTH), 2**31, np.uint32)
    yield OddFile("ids_too_high.tif", tiff(too_high))


def _several() -> Iterator[OddFile]:
    pages = tiff(np.stack([GREY] * 3), photometric="minisblack")
    yield OddFile("pages.tif", pages)
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    yield OddFile("pyramid.tif", out.getvalue(), RGB)
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    moving = pillow(frames[0], "png", save_all=True, append_images=frames[1:])
    yield OddFile("animated.png", moving)


def _damaged() -> Iterator[OddFile]:
    whole = pillow(RGB, "png")
    yield OddFile("cut.png", whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    yield OddFile("flipped.png", bytes(flipped))
    jpeg = pillow(RGB, "jpeg")
    yield OddFile("cut.jpg", jpeg[: len(jpeg) * 2 // 3])
    packed = tiff(RGB, photometric="rgb", compression="lzw")
    yield OddFile("cut.tif", packed[: len(packed) * 2 // 3])
    yield OddFile("missing_strip.tif", _without_a_strip())
    yield OddFile("empty.png", b"")
    yield OddFile("text.png", b"this is no picture, only its name says so\n")


def _hostile() -> Iterator[OddFile]:
    pixels = zlib.compress(bytes(60_000))
    bomb = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    yield OddFile("bomb.png", png((b"IHDR", bomb), (b"IDAT", pixels)))
    huge = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    yield OddFile("huge.png", png((b"IHDR", huge), (b"IDAT", pixels)))
    yield OddFile("objects.npy", npy(np.array([[None, {}]], dtype=object)))


def _indexed() -> Image.Image:
    image = Image.fromarray(FEW).convert("P")
    image.putdata(FEW.ravel().tolist())
    image.putpalette(PALETTE.ravel().tolist())
    return image


def _without_a_strip() -> bytes:
    file = io.BytesIO(tiff(RGB, photometric="rgb", rowsperstrip=8))
    with tifffile.TiffFile(file, mode="r+b") as handle:
        tag = handle.pages[0].tags["StripByteCounts"]
        tag.overwrite([*tag.value[:-1], 0])
        return file.getvalue()
