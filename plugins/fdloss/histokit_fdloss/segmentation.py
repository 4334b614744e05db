"""The segmentation losses: the paper's, the released scripts', and those of the three networks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from histokit.losses.segmentation import dice_loss, full_precision

SegLoss = Literal[
    "dice+bce", "dice+iou", "dice+bce-twice", "cmunet", "jimenez", "nucleisegnet", "network"
]
"""``dice+bce`` is the paper's (Eq. 3 to 5); ``dice+iou`` that of two released scripts and
``dice+bce-twice`` that of the third, which takes the sigmoid twice; then those of the releases of
the networks; ``network`` is the loss that the network's head brings."""


def segmentation_terms(
    kind: SegLoss, logits: Tensor, truth: Tensor, *, eps: float = 1e-7, per_sample: bool = False
) -> dict[str, Tensor]:
    """The terms whose sum is the loss, in float32.

    Departure from the paper: it adds an epsilon to each pixel's cross-entropy, which only moves
    the value; it is left out.

    Args:
        kind: any but ``network``.
        logits: [N 1 H W].
        truth: 0 and 1, of the same shape.
        eps: added above and below in Dice and IoU; the releases of the networks have their own.
        per_sample: a Dice for each sample instead of one for the whole batch; likewise.
    """
    logits = full_precision(logits)
    truth = truth.to(logits.dtype)
    if kind == "nucleisegnet":
        return {"dice_iou": _dice_times_iou(logits, truth)}
    if kind == "cmunet":
        return {"bce": 0.5 * _bce(logits, truth), "dice": dice_loss(logits, truth, smooth=1e-5)}
    if kind == "jimenez":
        dice = dice_loss(logits, truth, smooth=1e-4)
        return {"bce": 0.5 * _bce(logits, truth), "dice": 0.5 * dice}
    dice = dice_loss(logits, truth, smooth=eps, per_sample=per_sample)
    if kind == "dice+iou":
        return {"dice": dice, "iou": _iou_loss(logits, truth, eps)}
    if kind == "dice+bce-twice":
        return {"bce": _bce(torch.sigmoid(logits), truth), "dice": dice}
    return {"bce": _bce(logits, truth), "dice": dice}


def _bce(logits: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, truth)


def _iou_loss(logits: Tensor, truth: Tensor, eps: float) -> Tensor:
    probability = torch.sigmoid(logits)
    overlap = (probability * truth).sum()
    union = probability.sum() + truth.sum() - overlap
    return 1 - (overlap + eps) / (union + eps)


def _dice_times_iou(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean over pixels of J D / (J + D), as NucleiSegNet's release computes it: the Dice loss
    D of the whole batch, smoothed by 1, and a Jaccard loss J of each pixel by itself, smoothed by
    100. It is 0 where both are.
    """
    probability = torch.sigmoid(logits)
    both = probability * truth
    dice = dice_loss(logits, truth, smooth=1.0, per_sample=False)
    jaccard = 100 * (1 - (both + 100) / (truth + probability - both + 100))
    total = jaccard + dice
    none = total == 0
    return torch.where(none, 0.0, jaccard * dice / torch.where(none, 1.0, total)).mean()
