"""How well translations keep what they translate, measured without pairs, and what that favours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from histokit.postprocess.displacement import displacement

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit_syndiff_pl.students import Path

Direction = Literal["l2u", "u2l"]
DIRECTIONS: tuple[Direction, ...] = ("l2u", "u2l")
SERVES: dict[Direction, Path] = {"l2u": "tutoring", "u2l": "adaptive"}
"""Which path lives on the translations of a direction."""
MEASURES = ("psnr", "ssim", "shift", "drift")
HIGHER = ("psnr", "ssim")
"""The measures of which more is better."""
CLEAREST = 100.0
"""The PSNR of equal images, in dB."""
SHIFTED = 1.0
"""A mean shift from which on carried labels do not fit any more, in pixels."""
PIECE = 16
"""Pixels of the smallest piece that counts for `drift`."""

Picture = NDArray[np.float64]


def measured(images: Images, translated: Images, back: Images) -> dict[str, float]:
    """The measures of one direction, each the mean over a batch.

    Args:
        images: float [B C H W] in 0..1.
        translated: the same in the look of the other domain.
        back: those translated back.

    ``psnr`` (dB) and ``ssim`` compare `back` with the image; ``shift`` is the length in pixels of
    the displacement between image and translation; ``drift`` the relative change of the number of
    pieces that Otsu's threshold finds.
    """
    greys = [
        part.float().mean(1).cpu().numpy().astype(np.float64) for part in (images, translated, back)
    ]
    rows = [
        (
            psnr(image, again),
            similarity(image, again),
            displacement(image, other),
            drift(image, other),
        )
        for image, other, again in zip(*greys, strict=True)
    ]
    return dict(zip(MEASURES, np.mean(rows, axis=0).tolist(), strict=True))


def psnr(image: Picture, other: Picture) -> float:
    """Peak signal to noise ratio in dB for a range of 1, at most `CLEAREST`."""
    error = float(np.square(image - other).mean())
    return CLEAREST if error == 0 else min(-10 * float(np.log10(error)), CLEAREST)


def similarity(image: Picture, other: Picture) -> float:
    """The structural similarity of two images for a range of 1."""
    return float(structural_similarity(image, other, data_range=1.0))


def drift(image: Picture, other: Picture) -> float:
    """By how much the number of pieces changes, as a share of those in `image`.

    Pieces are 4-connected, of at least `PIECE` pixels, and brighter than Otsu's threshold, or
    darker than it in a translation that turned light into dark.
    """
    turned = float(((image - image.mean()) * (other - other.mean())).mean()) < 0
    before, after = pieces(image), pieces(1 - other if turned else other)
    return abs(after - before) / max(before, 1)


def pieces(image: Picture) -> int:
    """How many bright pieces an image has; none without structure."""
    if float(np.ptp(image)) == 0:
        return 0
    found = label(image > threshold_otsu(image), connectivity=1)
    return int((np.bincount(found.ravel())[1:] >= PIECE).sum())


@final
class Check(nn.Module):
    """The mean measures of both directions over all checked batches.

    It holds no weights but is kept with them, so that a report can tell them.
    """

    sums: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(len(DIRECTIONS), len(MEASURES)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def add(self, found: Mapping[Direction, Mapping[str, float]]) -> None:
        """Counts one batch in."""
        rows = [[found[direction][name] for name in MEASURES] for direction in DIRECTIONS]
        self.sums += torch.tensor(rows, device=self.sums.device)
        self.count += 1

    def means(self) -> dict[Direction, dict[str, float]]:
        """The measures by direction; empty before the first batch."""
        if not int(self.count):
            return {}
        means = (self.sums / self.count).tolist()
        return {
            direction: dict(zip(MEASURES, row, strict=True))
            for direction, row in zip(DIRECTIONS, means, strict=True)
        }


def votes(means: Mapping[Direction, Mapping[str, float]]) -> dict[Path, int]:
    """How many of the four measures favour each path: those that are better in its direction."""
    counts: dict[Path, int] = {"tutoring": 0, "adaptive": 0}
    for name in MEASURES:
        one, other = (means[direction][name] for direction in DIRECTIONS)
        if one != other:
            better = DIRECTIONS[0] if (one > other) == (name in HIGHER) else DIRECTIONS[1]
            counts[SERVES[better]] += 1
    return counts


def verdict(means: Mapping[Direction, Mapping[str, float]]) -> Sequence[str]:
    """Which path the measures favour, and which translations are out of place, in words."""
    if not means:
        return ()
    counts = votes(means)
    tutoring, adaptive = counts["tutoring"], counts["adaptive"]
    if tutoring == adaptive:
        said = "translation favours neither path: each is better by two of four measures"
    else:
        best: Path = "tutoring" if tutoring > adaptive else "adaptive"
        said = f"translation favours the {best} path, by {counts[best]} of 4 measures"
    lines = [f"{said} ({'; '.join(_told(direction, means) for direction in DIRECTIONS)})"]
    lines += [
        f"{direction}: translations lie {means[direction]['shift']:.1f} px beside their images on "
        f"average, so that labels of the {SERVES[direction]} path do not fit well"
        for direction in DIRECTIONS
        if means[direction]["shift"] > SHIFTED
    ]
    return lines


def _told(direction: Direction, means: Mapping[Direction, Mapping[str, float]]) -> str:
    values = means[direction]
    return (
        f"{direction}: PSNR {values['psnr']:.1f} dB and SSIM {values['ssim']:.2f} of the cycle, "
        f"shift {values['shift']:.1f} px, drift {values['drift']:.2f}"
    )
