"""Opening slides: which library reads which, and which files are slides at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from histokit.errors import DataError, HistokitError
from histokit.io.files import refuse_pipe
from histokit.io.limits import MAX_SLIDE
from histokit.io.ngff import FOLDER
from histokit.io.patience import answered
from histokit.io.slides import Slide, too_large
from histokit.io.slides_openslide import OpenSlideSlide
from histokit.io.slides_tiff import TiffSlide, pyramid_levels
from histokit.io.slides_zarr import ZarrSlide

Backend = Literal["tifffile", "openslide", "zarr"]
SLIDE_SUFFIXES = frozenset(
    (
        *(".svs", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs"),
        *(".svslide", ".bif", ".dcm", ".czi", ".avs", ".qptiff", FOLDER),
    )
)
"""Endings that only slides have, one of them of folders."""
TIFF_SUFFIXES = frozenset((".tif", ".tiff", ".btf", ".tf8"))
LARGE = 100_000_000
"""Pixels of a tiled TIFF from which it is taken for a slide even without smaller levels."""
BACKENDS: Mapping[Backend, Callable[[Path], Slide]] = {
    "tifffile": TiffSlide,
    "openslide": OpenSlideSlide,
    "zarr": ZarrSlide,
}
"""In the order in which they are tried. Tiles of TIFF are decoded directly where that is enough:
OpenSlide sees neither the levels nor the pixel size of OME-TIFF, shifts levels whose size is no
whole part of the full one, and takes several times as long."""
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_slide(path: Path) -> bool:
    """Whether a file is a slide and not a plain image: by its ending, or as a tiled TIFF that has
    several levels or is large. What cannot be opened is no slide.
    """
    if path.suffix.lower() in SLIDE_SUFFIXES:
        return True
    if path.suffix.lower() not in TIFF_SUFFIXES or not path.is_file():
        return False
    try:
        levels, pixels, tiled = answered(path, lambda: pyramid_levels(path))
    except Exception:  # tifffile raises many kinds; what reads it as an image says what is wrong
        return False
    return tiled and (levels > 1 or pixels > LARGE)


def open_slide(path: Path, backend: Backend | None = None) -> Slide:
    """The slide of a file, opened by the first library that can, or by `backend`.

    Raises DataError, naming the file and what each library said, or the limit that it is beyond.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist", expected="a slide", hint="check the path")
    refuse_pipe(path)
    said = []
    for name, opened in BACKENDS.items():
        if backend not in (None, name) or (name == "zarr") != path.is_dir():
            continue
        try:
            return _within_limits(answered(path, partial(opened, path)))
        except HistokitError:  # no other library is to try it
            raise
        except Exception as error:  # each library raises its own kinds
            said.append(f"{name}: {str(error) or type(error).__name__}")
    raise DataError(
        f"cannot open the slide {path}",
        expected="SVS, NDPI, MRXS, SCN, BIF, DICOM, OME-TIFF, a tiled TIFF, or OME-Zarr of 8-bit "
        "RGB, sound and whole",
        found="; ".join(said),
        hint="copy it again from its source, or convert it to a pyramidal TIFF",
    )


def _within_limits(slide: Slide) -> Slide:
    """The slide. Closes it and raises DataError where a level has more than `MAX_SLIDE` pixels."""
    largest = max(slide.levels, key=lambda level: level.width * level.height)
    if largest.width * largest.height > MAX_SLIDE:
        slide.close()
        raise too_large(
            slide.path,
            f"levels of at most {MAX_SLIDE} pixels",
            f"one of {largest.width}x{largest.height}",
        )
    return slide
