"""What `predict` and `translate` share: which inputs are slides, their pixel size, and the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from histokit.errors import DataError, PartialFailure, UsageError
from histokit.io.files import write_json
from histokit.io.slides_open import is_slide
from histokit.run.domains import SAME_MPP

FAILURES = "failures.json"
"""The list of images that failed, in the output folder."""


def scale_factor(mpp: float | None, expected: float | None, after: str = "") -> tuple[float, str]:
    """The factor that brings inputs to the pixel size of the weights, and what to say of it.

    Args:
        mpp: micrometres a pixel of the inputs; None where nobody knows.
        expected: those of the weights; None where any will do.
        after: what else is to be said where images are resampled.
    """
    if expected is None:
        return 1.0, ""
    if mpp is None:
        return 1.0, f"pixel size of the images unknown, taken as {expected:.4g} µm/px (or --mpp)"
    if abs(mpp / expected - 1) <= SAME_MPP:
        return 1.0, ""
    return mpp / expected, f"images resampled from {mpp:.4g} to {expected:.4g} µm/px{after}"


def slides_of(images: Sequence[Path], *, preview: bool) -> set[Path]:
    """Those of the images that are slides. Raises UsageError for a preview of something else."""
    slides = {path for path in images if is_slide(path)}
    plain = [path for path in images if path not in slides]
    if preview and plain:
        raise UsageError(
            "--preview shows what would run on slides",
            found=f"{plain[0]}, a plain image",
            hint="leave --preview or the plain images out",
        )
    return slides


def write_failures(out: Path, failures: Sequence[Mapping[str, str]]) -> None:
    """Names each failed image with its reason; removes the list of an earlier time."""
    if failures:
        write_json(out / FAILURES, list(failures))
    else:
        (out / FAILURES).unlink(missing_ok=True)


def tell_failures(failed: int, total: int, out: Path) -> None:
    """Raises PartialFailure where some images failed, DataError where all did."""
    listed = str(out / FAILURES)
    if failed == total:
        raise DataError(f"{failed} of {total} images failed; none is done", found=listed)
    if failed:
        raise PartialFailure(
            f"{failed} of {total} images failed; the others are done", found=listed
        )
