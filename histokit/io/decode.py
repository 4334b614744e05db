"""From a path to raw samples, or to a DataError that names it.

The format is told by the first bytes; the size is checked before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.decode_pillow import open_bmp, open_jpeg, open_png
from histokit.io.decode_tiff import described, open_tiff
from histokit.io.limits import MAX_PIXELS
from histokit.io.patience import answered
from histokit.io.raster import Alpha, Colour, Header, Opened, Raster, Refused

KINDS = "an image file (PNG, JPEG, TIFF, BMP or npy)"


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> Header:
    """The size and depth of an image file. Raises DataError, naming `path`; see `answered`."""
    return answered(path, lambda: _header(path, max_pixels))


def read_raster(path: Path, max_pixels: int = MAX_PIXELS) -> Raster:
    """The raw samples of an image file. Raises DataError, naming `path`; see `answered`."""
    return answered(path, lambda: _raster(path, max_pixels))


def read_description(path: Path) -> str:
    """What the first page of a TIFF says of itself, empty where that is nothing or far too long.

    Raises DataError, naming `path`; see `answered`.
    """
    return answered(path, lambda: _description(path))


def _header(path: Path, max_pixels: int) -> Header:
    with _reading(path) as handle:
        return _open(path, handle, max_pixels).header


def _raster(path: Path, max_pixels: int) -> Raster:
    with _reading(path) as handle:
        raster = _open(path, handle, max_pixels).decode()
        if raster.samples.shape[:2] != (raster.header.height, raster.header.width):
            raise Refused(f"pixels of shape {raster.samples.shape}, not as the header says")
        return raster


def _description(path: Path) -> str:
    with _reading(path) as handle:
        return described(handle)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """The open file; whatever a decoder raises on a damaged file becomes a DataError."""
    hint = "replace the file by a sound copy, or take it out of the folder"
    try:
        if not path.exists():
            raise DataError(f"{path} does not exist", expected=KINDS, hint="check the path")
        if not path.is_file():
            raise DataError(f"{path} is not a file", expected=KINDS)
        with path.open("rb") as handle:
            yield handle
    except DataError:
        raise
    except Refused as error:
        raise DataError(
            f"cannot read {path}", expected=KINDS, found=str(error), hint=error.hint or hint
        ) from error
    except Exception as error:
        raise DataError(
            f"cannot read {path}",
            expected=KINDS,
            found=f"a damaged file ({type(error).__name__}: {error})",
            hint=hint,
        ) from error


def _open(path: Path, handle: BinaryIO, max_pixels: int) -> Opened:
    opened = _opener(handle)(handle)
    height, width = opened.header.height, opened.header.width
    if height < 1 or width < 1:
        raise Refused(f"an image of {height}x{width} pixels")
    if height * width > max_pixels:
        raise DataError(
            f"{path} is too large to be read whole",
            expected=f"at most {max_pixels} pixels",
            found=f"{height}x{width} = {height * width} pixels",
            hint="cut it into tiles",
        )
    return opened


def _opener(handle: BinaryIO) -> Callable[[BinaryIO], Opened]:
    start = handle.read(16)
    for magic, opener in FORMATS:
        if start.startswith(magic):
            return opener
    if not start:
        raise Refused("an empty file")
    if start.startswith((b"version https://", b"/annex/", b"../.git")):
        raise Refused("a git-lfs or git-annex pointer", "fetch the real file with git-lfs or annex")
    raise Refused(f"a file that starts with {start!r}")


def _open_npy(handle: BinaryIO) -> Opened:
    handle.seek(0)
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(handle)
    if dtype.kind not in "buif":
        raise Refused(f"an array of {dtype}", "save plain numbers; pickled objects are not read")
    channels = shape[2] if len(shape) == 3 else 1
    colours: dict[int, Colour] = {1: "grey", 3: "rgb", 4: "rgb"}
    if len(shape) not in (2, 3) or channels not in colours:
        raise Refused(f"an array of shape {shape}", "save it as [H W], [H W 3] or [H W 4]")
    bits = 1 if dtype.kind == "b" else 8 * dtype.itemsize
    header = Header(shape[0], shape[1], bits)

    def decode() -> Raster:
        alpha: Alpha = "straight" if channels == 4 else "none"
        return Raster(header, _npy_samples(handle), colours[channels], alpha)

    return Opened(header, decode)


def _npy_samples(handle: BinaryIO) -> NDArray[Any]:
    handle.seek(0)
    samples = np.lib.format.read_array(handle, allow_pickle=False)
    if handle.read(1):
        raise Refused(f"more values than an array of shape {samples.shape} has")
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


FORMATS: tuple[tuple[bytes, Callable[[BinaryIO], Opened]], ...] = (
    (b"\x89PNG\r\n\x1a\n", open_png),
    (b"\xff\xd8\xff", open_jpeg),
    (b"BM", open_bmp),
    (b"II*\x00", open_tiff),
    (b"MM\x00*", open_tiff),
    (b"II+\x00", open_tiff),
    (b"MM\x00+", open_tiff),
    (b"\x93NUMPY", _open_npy),
)
