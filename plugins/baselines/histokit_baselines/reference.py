"""The images whose colours a stain normalisation takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces import Context

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def read_references(reference: str, context: Context) -> Iterator[NDArray[np.float64]]:
    """Each image of a file or folder, float64 [H W 3] in 0..1, in order of name.

    Raises DataError, naming the path, where there is none or one has no colours.
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
    return (_coloured(file, context.image(file)) for file in files)


def _coloured(path: Path, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    if not np.ptp(image, axis=2).any():
        raise DataError(
            f"{path} is no reference image",
            expected="an image in colour",
            found="grey alone",
            hint="--set reference=IMAGE, an image of the stain that is wanted",
        )
    return image / 255
