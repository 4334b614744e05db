"""Pictures of a slide: what will run on it, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from histokit.interfaces import Instances
from histokit.io.files import atomic
from histokit.postprocess.clean import structure
from histokit.run.slide.plan import Block, SlidePlan, Write

LONGEST = 2048
"""Longest side of a picture in pixels."""
FOUND, TISSUE, BLOCK = (255, 224, 0), (0, 158, 115), (0, 114, 178)
FAINT = 0.35
"""Part of its colour that a window lends to the picture."""


def preview(path: Path, plan: SlidePlan) -> None:
    """A picture of the slide with its tissue outlined in green, the windows that will run tinted
    blue, and the blocks framed.
    """
    picture = plan.view.slide.thumbnail(LONGEST).astype(np.float32)
    size = picture.shape[0], picture.shape[1]
    tint = np.zeros(size, bool)
    for number in plan.live:
        place = [(part.start, part.stop) for part in plan.windows[number].place]
        tint[_scaled(*place[0], plan, size, 0), _scaled(*place[1], plan, size, 1)] = True
    picture[tint] += FAINT * (np.array(BLOCK) - picture[tint])
    picture[_edge(_tissue(plan, size))] = TISSUE
    shown = Image.fromarray(np.rint(picture).astype(np.uint8))
    draw = ImageDraw.Draw(shown)
    for block in plan.blocks:
        rows = _scaled(*block.core[0], plan, size, 0)
        cols = _scaled(*block.core[1], plan, size, 1)
        draw.rectangle((cols.start, rows.start, cols.stop - 1, rows.stop - 1), outline=BLOCK)
    _write(path, np.asarray(shown))


@contextmanager
def overlay(path: Path, plan: SlidePlan) -> Iterator[Write]:
    """Draws what is found, in yellow, and the outline of the tissue, in green, on the slide as
    small as a picture.
    """
    picture = plan.view.slide.thumbnail(LONGEST).copy()
    size = picture.shape[0], picture.shape[1]
    picture[_edge(_tissue(plan, size))] = TISSUE

    def write(block: Block, mine: Instances, before: int) -> None:
        del before
        (top, bottom), (left, right) = block.region
        rows, cols = _scaled(top, bottom, plan, size, 0), _scaled(left, right, plan, size, 1)
        y = (np.arange(rows.start, rows.stop) + 0.5) * plan.size[0] / size[0] - top
        x = (np.arange(cols.start, cols.stop) + 0.5) * plan.size[1] / size[1] - left
        y = np.clip(y.astype(np.intp), 0, bottom - top - 1)
        x = np.clip(x.astype(np.intp), 0, right - left - 1)
        picture[rows, cols][_edge(mine.ids[np.ix_(y, x)] > 0)] = FOUND

    yield write
    _write(path, picture)


def _tissue(plan: SlidePlan, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The tissue on a picture of the slide."""
    rows, cols = (np.arange(pixels) + 0.5 for pixels in size)
    return plan.tissue.at(rows[:, None], cols[None], size)


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outermost pixels of a mask."""
    return mask & ~ndimage.binary_erosion(mask, structure(4), border_value=1)


def _scaled(start: int, stop: int, plan: SlidePlan, size: tuple[int, int], axis: int) -> slice:
    """Rows (axis 0) or columns of the view as those of a picture of the slide."""
    pixels, wide = plan.size[axis], size[axis]
    return slice(start * wide // pixels, max(-(-stop * wide // pixels), 1))


def _write(path: Path, picture: NDArray[np.uint8]) -> None:
    with atomic(path) as temporary:
        Image.fromarray(picture).save(temporary, format="png")
