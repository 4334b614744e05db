"""The feature distance: how far apart foreground and background lie in one feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from histokit.losses.segmentation import full_precision

Pool = Literal["region_mean", "image_mean", "sum", "swapped"]
Reduce = Literal["vector", "vector_mean", "scalar", "batch"]
Form = Literal["sq", "l2", "unit", "appendix"]
Shrink = Literal["area", "max", "nearest"]


@dataclass(frozen=True, slots=True)
class Pooled:
    """What one feature map says of the two regions of each sample.

    Attributes:
        foreground, background: [N K].
        valid: bool [N]; whether both regions are at least one pixel large.
    """

    foreground: Tensor
    background: Tensor
    valid: Tensor


@dataclass(frozen=True, slots=True)
class FeatureDistance:
    """Minus the logarithm of a distance between pooled vectors, in one of the paper's readings.

    The paper's Eq. 1 is ``sum``, ``vector``, ``sq``; its lemma is about ``sum``, ``scalar``,
    ``appendix``; the released code computes ``swapped``, ``batch``, ``l2``.

    Attributes:
        pool: ``region_mean`` takes the mean over a region, ``image_mean`` divides a region's sum
            by the size of the map, ``sum`` divides it by nothing. ``swapped`` is what the
            released code does by swapping two arguments: the means over the map of y F and of
            y (1 - F), so that background pixels never enter; every sample is valid then.
        reduce: what becomes of the channels: ``vector`` is the squared norm over them,
            ``vector_mean`` divides it by their number, ``scalar`` sums them before squaring;
            ``batch`` is the squared norm over the samples, for each channel by itself.
        form: of the squared distance D2. ``sq`` is -log D2 and ``l2`` half of it; ``unit`` is
            -log of D2 over the sum of both squared norms, which no scaling of the features
            changes and which is at least -log 2; ``appendix`` is -log of the distance over the
            norm of the sum of both.
        eps: added within each logarithm and to each denominator.
    """

    pool: Pool = "region_mean"
    reduce: Reduce = "vector"
    form: Form = "unit"
    eps: float = 1e-6

    def pooled(self, features: Tensor, mask: Tensor) -> Pooled:
        """Features [N K h w] pooled over a mask [N 1 h w] in 0..1 and over the rest."""
        features = full_precision(features)
        mask = mask.to(features.dtype)
        inside, outside = mask.sum((2, 3)), (1 - mask).sum((2, 3))
        if self.pool == "swapped":
            valid = torch.ones_like(inside[:, 0], dtype=torch.bool)
            foreground, background = (features * mask), ((1 - features) * mask)
            return Pooled(foreground.mean((2, 3)), background.mean((2, 3)), valid)
        foreground = (features * mask).sum((2, 3))
        background = (features * (1 - mask)).sum((2, 3))
        valid = ((inside >= 1) & (outside >= 1))[:, 0]
        if self.pool == "region_mean":
            one = torch.ones_like(inside)
            foreground = foreground / torch.where(inside > 0, inside, one)
            background = background / torch.where(outside > 0, outside, one)
        elif self.pool == "image_mean":
            pixels = mask[0].numel()
            foreground, background = foreground / pixels, background / pixels
        return Pooled(foreground, background, valid)

    def between(self, foreground: Tensor, background: Tensor, valid: Tensor) -> Tensor:
        """The loss of P pairs of vectors [P K], a scalar.

        It is the mean over the pairs that are `valid`, bool [P] (over the channels with
        ``batch``), and 0 without gradient where none is.
        """
        keep = valid.unsqueeze(1).to(foreground.dtype)
        foreground, background = foreground * keep, background * keep
        return self.mean(
            self.square(foreground - background), self.own(foreground, background), valid
        )

    def each(self, pooled: Pooled) -> Tensor:
        """The loss of each sample by itself, [N]; NaN where it is not valid.

        Only for reading, such as beside each sample's Dice; ``batch`` takes each as a batch.
        """
        pairs = zip(pooled.foreground, pooled.background, pooled.valid, strict=True)
        values = [self.between(f[None], b[None], v[None]) for f, b, v in pairs]
        return torch.where(pooled.valid, torch.stack(values), torch.nan)

    def square(self, values: Tensor) -> Tensor:
        """The squared norm of vectors [P K]: [P], or [K] with ``batch``."""
        if self.reduce == "batch":
            return values.square().sum(0)
        if self.reduce == "scalar":
            return values.sum(1).square()
        return values.square().mean(1) if self.reduce == "vector_mean" else values.square().sum(1)

    def own(self, foreground: Tensor, background: Tensor) -> Tensor:
        """What ``unit`` and ``appendix`` compare the squared distance with."""
        if self.form == "appendix":
            return self.square(foreground + background)
        return self.square(foreground) + self.square(background)

    def mean(self, apart: Tensor, own: Tensor, valid: Tensor) -> Tensor:
        """The mean loss of squared distances `apart`, see `between`."""
        values = self._minus_log(apart, own)
        if self.reduce == "batch":
            return torch.where(valid.any(), values.mean(), torch.zeros_like(values[0]))
        values = torch.where(valid, values, torch.zeros_like(values))
        return values.sum() / valid.sum().clamp(min=1)

    def _minus_log(self, apart: Tensor, own: Tensor) -> Tensor:
        if self.form == "l2":
            apart = _root(apart)
        elif self.form == "unit":
            apart = apart / (own + self.eps)
        elif self.form == "appendix":
            apart = _root(apart) / (_root(own) + self.eps)
        return -torch.log(apart + self.eps)


def _root(square: Tensor) -> Tensor:
    """The square root, whose gradient at 0 is 0 instead of infinite."""
    zero = square == 0
    return torch.where(zero, torch.zeros_like(square), torch.where(zero, 1.0, square).sqrt())


def shrunk(mask: Tensor, size: tuple[int, int], how: Shrink) -> Tensor:
    """A mask [N 1 H W] at a smaller size.

    Args:
        mask: 0 and 1.
        size: height and width.
        how: ``area`` averages, ``max`` lets any foreground pixel win (as repeated 2x2 max pooling
            does in the released code), ``nearest`` takes the upper left pixel.
    """
    if how == "area":
        return functional.adaptive_avg_pool2d(mask, size)
    if how == "max":
        return functional.adaptive_max_pool2d(mask, size)
    return functional.interpolate(mask, size=size, mode="nearest")
