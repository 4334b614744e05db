"""The losses of HoVer-Net: on class probabilities, on distance maps and on their gradients."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from histokit.losses.segmentation import full_precision

MsgeAxes = Literal["reference", "paper"]
"""``paper`` differentiates the horizontal map along x and the vertical one along y, as the text
says and as post-processing does; ``reference`` crosses the two, as both releases do."""

TINY = 1e-7
"""Distance of the probabilities from 0 and 1 in the cross-entropy."""


def cross_entropy(probability: Tensor, truth: Tensor) -> Tensor:
    """The mean over pixels of minus the log-probability of the true class.

    Args:
        probability: [B K H W]; rescaled to sum to 1, then kept within 1e-7 of 0 and 1.
        truth: int64 [B H W] of 0..K-1.
    """
    probability = full_precision(probability)
    share = probability / probability.sum(1, keepdim=True)
    chosen = share.gather(1, truth[:, None]).clamp(TINY, 1 - TINY)
    return -chosen.log().mean()


def pooled_dice(probability: Tensor, truth: Tensor, *, smooth: float = 1e-3) -> Tensor:
    """The sum over classes of one minus the soft Dice coefficient, pixels of the batch pooled.

    Args:
        probability: [B K H W].
        truth: int64 [B H W] of 0..K-1.
        smooth: added to numerator and denominator.
    """
    probability = full_precision(probability)
    true = functional.one_hot(truth, probability.shape[1]).movedim(-1, 1).to(probability.dtype)
    overlap = (probability * true).sum((0, 2, 3))
    total = probability.sum((0, 2, 3)) + true.sum((0, 2, 3))
    return (1 - (2 * overlap + smooth) / (total + smooth)).sum()


def distance_error(found: Tensor, true: Tensor) -> Tensor:
    """The mean squared error of distance maps [B 2 H W], background included."""
    return (full_precision(found) - true).square().mean()


def gradient_error(
    found: Tensor, true: Tensor, nuclei: Tensor, *, axes: MsgeAxes = "reference"
) -> Tensor:
    """The mean squared error of the derivatives of distance maps, over true nuclei alone.

    Args:
        found: [B 2 H W], horizontal and vertical.
        true: the same.
        nuclei: float [B 1 H W], 1 inside of nuclei and 0 elsewhere.
        axes: see `MsgeAxes`.
    """
    difference = full_precision(found) - true
    kernel = gradient_kernel(difference)
    kernels = torch.stack((kernel, kernel.T))[:, None]  # along y, along x
    if axes == "paper":
        kernels = kernels.flip(0)
    with torch.autocast(difference.device.type, enabled=False):
        steps = functional.conv2d(difference, kernels, padding=2, groups=2)
    nuclei = nuclei.to(steps.dtype)
    return (steps.square() * nuclei).sum() / (2 * nuclei.sum() + 1e-8)


def gradient_kernel(like: Tensor) -> Tensor:
    """The 5x5 derivative along y, offset over squared distance; its transpose is along x.

    It is correlated, not convolved, so that it grows where the map does. A unit ramp gives 12.

    Args:
        like: a tensor of the wanted dtype and device.
    """
    offsets = torch.arange(-2, 3, dtype=like.dtype, device=like.device)
    y = offsets[:, None].expand(5, 5)
    return y / (y.square() + y.T.square() + 1e-15)
