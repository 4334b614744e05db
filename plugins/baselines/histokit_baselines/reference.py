"""The images whose colours a stain normalisation takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgba2rgb

from histokit.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def read_references(reference: str) -> Iterator[NDArray[np.float64]]:
    """Each image of a file or folder, float64 [H W 3] in 0..1, in order of name.

    Raises DataError, naming the path, where there is none or one is not an RGB image of 8 bits.
    """
    path = Path(reference).expanduser()
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files or not files[0].is_file():
        raise DataError(
            f"there is no reference image at {reference}",
            expected="an image or a folder of images whose colours are to be taken",
            hint="--set reference=IMAGE",
        )
    return (_read(file) for file in files)


def _read(path: Path) -> NDArray[np.float64]:
    try:
        with Image.open(path) as picture:
            mode, image = picture.mode, np.asarray(picture)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read {path}",
            expected="an image file",
            found=f"{type(error).__name__}: {error}",
        ) from error
    if mode not in ("RGB", "RGBA"):
        raise DataError(f"{path} is no reference image", expected="RGB of 8 bits", found=mode)
    return rgba2rgb(image) if mode == "RGBA" else image / 255
