"""Writing result images as PNG or TIFF that say where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from histokit.io.files import atomic

PictureFormat = Literal["png", "tiff"]
SUFFIX: Mapping[PictureFormat, str] = {"png": ".png", "tiff": ".tif"}
TILED_ABOVE = 2000
"""Longest side in pixels of a TIFF that is written in strips."""
TILE = 512
KEY = "histokit"
"""Name of the PNG text chunk that holds the provenance."""


def write_picture(
    path: Path,
    image: NDArray[np.uint8],
    kind: PictureFormat,
    *,
    mpp: float | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Writes an image [H W 3] or [H W] without loss, whole or not at all.

    Args:
        path: of the file.
        image: uint8.
        kind: the format.
        mpp: micrometres a pixel; sets the resolution of the file.
        provenance: what made the image: a PNG text chunk ``histokit``, or the TIFF description,
            as JSON.
    """
    about = json.dumps({"mpp": mpp, **(provenance or {})}, allow_nan=False)
    with atomic(path) as temporary:
        if kind == "png":
            _write_png(temporary, image, about, mpp)
        else:
            _write_tiff(temporary, image, about, mpp)


def read_provenance(path: Path) -> dict[str, Any]:
    """What `write_picture` stored of the origin of a file; empty where it holds none."""
    if path.suffix == ".png":
        with Image.open(path) as picture:
            return json.loads(picture.info.get(KEY, "{}"))
    with tifffile.TiffFile(path) as file:
        text = file.pages.first.description
    return json.loads(text) if text.startswith("{") else {}


def _write_png(path: Path, image: NDArray[np.uint8], about: str, mpp: float | None) -> None:
    chunk = PngImagePlugin.PngInfo()
    chunk.add_itxt(KEY, about, zip=False)
    dpi = None if mpp is None else (25_400 / mpp, 25_400 / mpp)
    options = {} if dpi is None else {"dpi": dpi}
    Image.fromarray(image).save(path, format="png", pnginfo=chunk, **options)


def _write_tiff(path: Path, image: NDArray[np.uint8], about: str, mpp: float | None) -> None:
    pixels_per_cm = None if mpp is None else (10_000 / mpp, 10_000 / mpp)
    tifffile.imwrite(
        path,
        image,
        compression="zlib",
        predictor=True,
        tile=(TILE, TILE) if max(image.shape[:2]) > TILED_ABOVE else None,
        photometric="rgb" if image.ndim == 3 else "minisblack",
        resolution=pixels_per_cm,
        resolutionunit="CENTIMETER" if pixels_per_cm else None,
        description=about,
        metadata=None,
    )
