"""Where the tissue of a slide is: found on its thumbnail, or said by a mask of the user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from histokit.errors import DataError
from histokit.io.features import read_features
from histokit.io.images import read_mask
from histokit.io.rings import rasterise
from histokit.io.slides import Slide
from histokit.postprocess.tissue import Tissue, find_tissue

LONGEST = 2048
"""Longest side in pixels of the thumbnail that tissue is looked for on."""
EVERYWHERE = "none"
"""The word for a slide that is worked on as a whole."""
SAME_SHAPE = 0.02
"""Relative difference of the proportions of a mask and its slide that is left alone."""
OUTLINES = (".geojson", ".json", ".gz")


def tissue_of(slide: Slide, mask: str) -> Tissue:
    """The tissue of a slide.

    Args:
        slide: open.
        mask: empty to look for it; ``none`` for all of the slide; or a file: an image of the
            whole slide of any size, 0 where there is none, or GeoJSON in pixels of level 0.

    Raises DataError where the mask cannot be read or belongs to another slide.
    """
    if mask == EVERYWHERE:
        return Tissue(np.ones((1, 1), bool))
    if not mask:
        return find_tissue(slide.thumbnail(LONGEST))
    path = Path(mask).expanduser()
    found = _outlined if path.suffix.lower() in OUTLINES else _painted
    return found(path, slide)


def _painted(path: Path, slide: Slide) -> Tissue:
    mask = read_mask(path) > 0
    high, wide = mask.shape
    expected = slide.width * high / slide.height
    if abs(wide - expected) > max(1.0, SAME_SHAPE * wide):
        raise DataError(
            f"{path} is not a mask of {slide.path}",
            expected=f"the proportions of {slide.width} x {slide.height} pixels",
            found=f"{wide} x {high} pixels",
            hint="give the mask of this slide, or run its slide alone",
        )
    return Tissue(mask)


def _outlined(path: Path, slide: Slide) -> Tissue:
    areas = [feature.rings for feature in read_features(path) if feature.rings]
    if not areas:
        raise DataError(f"{path} outlines nothing", expected="polygons", found="none")
    points = np.concatenate([np.asarray(ring) for rings in areas for ring in rings])
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.array([slide.width, slide.height])
    if (low < -SAME_SHAPE * size).any() or (high > (1 + SAME_SHAPE) * size).any():
        raise DataError(
            f"{path} is not a mask of {slide.path}",
            expected=f"outlines within {slide.width} x {slide.height} pixels of level 0",
            found=f"points from ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f})",
            hint="give the mask of this slide, in pixels of its full size",
        )
    factor = max(1.0, slide.width / LONGEST, slide.height / LONGEST)
    shape = max(1, round(slide.height / factor)), max(1, round(slide.width / factor))
    grid = np.array([shape[1] / slide.width, shape[0] / slide.height])
    scaled = [[(np.asarray(ring) * grid).tolist() for ring in rings] for rings in areas]
    inside = [rasterise([(1, rings)], shape) > 0 for rings in scaled]
    return Tissue(np.logical_or.reduce(inside))
