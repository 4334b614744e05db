"""Losses that compare a foreground logit map with its truth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NO_CLASS = -1
"""Class of a pixel that no class loss counts."""


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


def ce_dice(logits: Tensor, truth: Tensor, *, smooth: float = 1.0) -> dict[str, Tensor]:
    """The terms ``ce`` and ``dice`` of class maps; pixels of `NO_CLASS` count for neither.

    ``ce`` is the cross-entropy averaged over the counted pixels (0 where there are none), ``dice``
    the mean over samples and over all classes but the background of one minus the soft Dice.

    Args:
        logits: [B K H W], before the softmax; channel 0 is the background.
        truth: int64 [B H W], 0..K-1 or `NO_CLASS`.
        smooth: added to numerator and denominator of the Dice.
    """
    logits = full_precision(logits)
    counted = (truth != NO_CLASS).unsqueeze(1)
    share = counted.float().mean().clamp_min(torch.finfo(torch.float32).eps)
    ce = functional.cross_entropy(logits, truth.clamp_min(0), reduction="none")
    probability = logits.softmax(1)[:, 1:] * counted
    shape = functional.one_hot(truth.clamp_min(0), logits.shape[1]).movedim(-1, 1)[:, 1:]
    shape = shape.to(probability.dtype) * counted
    overlap = (probability * shape).sum((2, 3))
    total = probability.sum((2, 3)) + shape.sum((2, 3))
    return {
        "ce": (ce * counted[:, 0]).mean() / share,
        "dice": (1 - (2 * overlap + smooth) / (total + smooth)).mean(),
    }
