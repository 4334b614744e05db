"""Losses that compare a foreground logit map with its truth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def full_precision(values: Tensor) -> Tensor:
    """The values in float32 where they came in half precision, else unchanged.

    Sums over pixels overflow or lose digits in half precision; losses take this first, which also
    holds under autocast because they use only element-wise operations and sums afterwards.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def dice_loss(
    logits: Tensor, truth: Tensor, *, smooth: float = 1.0, per_sample: bool = True
) -> Tensor:
    """One minus the smoothed soft Dice coefficient, a scalar.

    Args:
        logits: [B C H W], before the sigmoid.
        truth: 0 and 1, of the same shape.
        smooth: added to numerator and denominator, so that an empty truth met by an empty
            prediction costs nothing.
        per_sample: a coefficient for each sample and channel, then their mean; otherwise the
            pixels of the whole batch are pooled for each channel first.
    """
    probability = torch.sigmoid(full_precision(logits))
    truth = truth.to(probability.dtype)
    dims = (2, 3) if per_sample else (0, 2, 3)
    overlap = (probability * truth).sum(dims)
    total = probability.sum(dims) + truth.sum(dims)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def bce_dice(logits: Tensor, truth: Tensor, *, smooth: float = 1.0) -> dict[str, Tensor]:
    """The terms ``bce`` and ``dice`` of a foreground map, whose sum is the usual training loss.

    ``bce`` is the binary cross-entropy on logits averaged over all pixels, ``dice`` the mean of
    the Dice losses of each sample and channel.
    """
    logits = full_precision(logits)
    return {
        "bce": functional.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype)),
        "dice": dice_loss(logits, truth, smooth=smooth),
    }
