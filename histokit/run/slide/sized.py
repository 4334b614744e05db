"""A slide at the pixel size of the weights, and the line that says so."""

from __future__ import annotations

from pathlib import Path

from histokit.errors import DataError
from histokit.io.slides import Slide, View
from histokit.run.domains import SAME_MPP

Sides = tuple[float, float]
"""Micrometres a pixel along (x, y)."""


def slide_mpp(slide: Slide, given: float | None) -> Sides | None:
    """The pixel size of level 0: what the user gave, or else what the slide says."""
    return slide.mpp if given is None else (given, given)


def sized(slide: Slide, mpp: Sides | None, expected: float | None) -> tuple[View, str]:
    """The slide at the pixel size of the weights, and a line about it.

    Args:
        slide: open.
        mpp: of its level 0.
        expected: of the weights; None where any will do.

    Raises DataError where the weights expect one and that of the slide is unknown.
    """
    if expected is None:
        known = "unknown" if mpp is None else f"{mpp[0]:.4g} µm/px"
        return slide.view(1.0), f"read at its full size ({known}); the method names no pixel size"
    if mpp is None:
        power = f"{slide.power:g}x and nothing else" if slide.power else "nothing"
        raise DataError(
            f"the pixel size of {slide.path} is unknown",
            expected=f"micrometres a pixel, to bring it to the {expected:.4g} of the weights",
            found=f"a slide that says {power}",
            hint="give it with --mpp; 40x is mostly near 0.25, 20x near 0.5",
        )
    view = slide.view((expected / mpp[0], expected / mpp[1]), SAME_MPP)
    of = f"level {view.level}"
    how = f"resampled from {of}" if view.resampled else f"{of} as it is"
    return view, f"weights {expected:.4g} µm/px, slide {mpp[0]:.4g}: {how}"


def sides_of(view: View, mpp: Sides | None) -> Sides | None:
    """The pixel size of a view of a slide whose level 0 has `mpp`."""
    return None if mpp is None else (mpp[0] * view.scale[0], mpp[1] * view.scale[1])


def drawn_at(out: Path, name: str) -> Path:
    """Where the preview of a slide lies."""
    return out / "preview" / f"{name}.png"
