"""The one reader of image and mask files, with stated rules and no silent loss.

Images become uint8 [H W 3]: EXIF orientation applied, alpha laid over white, grey repeated,
palettes looked up, CMYK converted, deeper samples scaled from the full range of the container,
floats from 0..1. Masks keep their ids exactly or are refused. Colour profiles are not applied.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.io.decode import read_header, read_raster
from histokit.io.limits import MAX_ID, MAX_PIXELS
from histokit.io.raster import Raster

NOTES = {
    "orientation": "EXIF orientation is applied",
    "alpha": "transparent pixels are laid over white",
    "cmyk": "CMYK is converted to RGB without a colour profile",
    "depth": "samples of more than 8 bits are scaled to 8 bits",
    "float": "float samples are scaled from 0..1 to 8 bits",
}
LOG = logging.getLogger("histokit")
_noted: set[str] = set()


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The image, uint8 [H W 3] RGB.

    The first file of each kind that needed a conversion with loss is told to the logger
    ``histokit``. Raises DataError, naming `path`.
    """
    raster = read_raster(path, max_pixels)
    rgb = _over_white(path, raster, _bytes(path, raster))
    return np.ascontiguousarray(_turned(path, rgb, raster.header.orientation))


def read_mask(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.int32]:
    """The values of a label image, int32 [H W], exactly as stored: ids, palette indices, 0/1.

    Three equal channels are one; a constant alpha is dropped; orientation is not applied. Raises
    DataError, naming `path`, for lossy files, colours, fractions and ids outside 0..2^31-1.
    """
    raster = read_raster(path, max_pixels)
    if not raster.header.lossless:
        raise _wrong(path, "a lossy compression, which changes ids", "save the mask as PNG")
    if raster.inverted and raster.header.bits > 1:
        raise _wrong(path, "ids stored from white to black", "save the mask as PNG")
    values = _one_channel(path, raster)
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise _wrong(path, "fractions or NaN", "save whole numbers")
    low, high = values.min(), values.max()
    if low < 0 or high > MAX_ID:
        raise _wrong(path, f"values from {low} to {high}", "number the objects from 1")
    return values.astype(np.int32)


def image_size(path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width of what `read_image` gives, from the header alone. Raises DataError."""
    header = read_header(path, max_pixels)
    if header.orientation >= 5:
        return header.width, header.height
    return header.height, header.width


def mask_bits(path: Path) -> int:
    """How many bits the file keeps for one value, from the header alone. Raises DataError."""
    return read_header(path).bits


def _wrong(path: Path, found: str, hint: str) -> DataError:
    return DataError(
        f"{path} is not a mask that can be trusted",
        expected="one whole number a pixel, 0 for background",
        found=found,
        hint=hint,
    )


def _one_channel(path: Path, raster: Raster) -> NDArray[Any]:
    values = np.atleast_3d(raster.samples)
    if raster.alpha != "none":
        alpha = values[..., -1]
        if (alpha != alpha[0, 0]).any():
            raise _wrong(path, "an alpha channel that varies", "save ids in one channel")
        values = values[..., :-1]
    if values.shape[2] > 1 and (
        raster.colour == "cmyk" or (values[..., 1:] != values[..., :1]).any()
    ):
        raise _wrong(path, "colours", "save ids in one channel; is this the image, not the mask?")
    return values[..., 0]


def _note(path: Path, kind: str) -> None:
    """Tells the log of a conversion, once a kind and process."""
    if kind not in _noted:
        _noted.add(kind)
        LOG.warning("%s: %s (said once)", path, NOTES[kind])


def _bytes(path: Path, raster: Raster) -> NDArray[np.uint8]:
    """The samples scaled to uint8 [H W C]; palettes looked up, so C counts their alpha."""
    samples = np.atleast_3d(raster.samples)
    kind, bits = samples.dtype.kind, raster.header.bits
    if raster.palette is not None:
        return _looked_up(path, samples[..., 0], raster.palette)
    if kind == "b":
        return samples.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        return _from_unit(path, samples)
    if kind != "u" or bits > 16:
        raise DataError(
            f"{path} is not an image of known range",
            expected="8 or 16 bits a sample, or floats in 0..1",
            found=f"{samples.dtype} samples",
            hint="save it as uint8; if it is a mask, give it as one",
        )
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    if bits > 8:
        _note(path, "depth")
    full = 2**bits - 1
    return ((samples.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)


def _looked_up(path: Path, indices: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if indices.max() >= len(palette):
        raise DataError(
            f"cannot read {path}",
            expected=f"palette indices below {len(palette)}",
            found=f"index {indices.max()}",
            hint="save it again as RGB",
        )
    return palette[indices]


def _from_unit(path: Path, samples: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = samples.min(), samples.max()
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise DataError(
            f"{path} is not an image of known range",
            expected="float samples in 0..1",
            found=f"values from {low} to {high}",
            hint="save it as uint8",
        )
    _note(path, "float")
    return np.rint(samples.astype(np.float64) * 255).astype(np.uint8)


def _over_white(path: Path, raster: Raster, samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB [H W 3] of samples whose last channel may be alpha."""
    colours, alpha = _split_alpha(path, raster, samples)
    if raster.colour == "cmyk":
        _note(path, "cmyk")
        ink = 255 - colours.astype(np.uint16)
        colours = ((ink[..., :3] * ink[..., 3:] + 127) // 255).astype(np.uint8)
    if colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    if alpha is None or (alpha == 255).all():
        return colours
    _note(path, "alpha")
    white = 255 - alpha[..., None].astype(np.uint32)
    if raster.alpha == "premultiplied":
        return np.minimum(colours + white, 255).astype(np.uint8)
    return ((colours * (255 - white) + 255 * white + 127) // 255).astype(np.uint8)


def _split_alpha(
    path: Path, raster: Raster, samples: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if raster.key is not None:
        seen = (np.atleast_3d(raster.samples) != np.array(raster.key)).any(axis=2)
        return samples, seen.astype(np.uint8) * np.uint8(255)
    if raster.palette is None and raster.alpha == "none":
        return samples, None
    colours, alpha = samples[..., :-1], samples[..., -1]
    if raster.alpha != "unspecified":
        return colours, alpha
    if (alpha != alpha[0, 0]).any():
        raise DataError(
            f"cannot read {path}",
            expected="1 (grey), 3 (RGB) or 4 (RGB and alpha) channels",
            found="a further channel of unknown meaning",
            hint="save it as RGB",
        )
    return colours, None


def _turned(path: Path, image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The image upright, from an EXIF orientation of 1..8."""
    if orientation == 1:
        return image
    _note(path, "orientation")
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image
