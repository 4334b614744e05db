"""Pooling of regions into vectors, and the mutual information between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.losses.segmentation import full_precision

if TYPE_CHECKING:
    from histokit_mani.config import ManiConfig

Pool = Callable[[Tensor, Tensor], Tensor]
"""Features [B C H W] and a mask [B 1 H W] of 0 and 1 into vectors [B K C]; an empty mask gives
zero vectors through which no gradient flows."""

CHANCE = 2 * math.log(2)
"""The loss of a critic that always says 0."""


def pool_mean(features: Tensor, mask: Tensor, *, eps: float = 1e-6) -> Tensor:
    """The mean over the mask, [B 1 C]; `eps` is added to the number of pixels."""
    features = full_precision(features)
    mask = mask.to(features.dtype)
    return ((features * mask).sum((2, 3)) / (mask.sum((2, 3)) + eps)).unsqueeze(1)


def pool_max(features: Tensor, mask: Tensor) -> Tensor:
    """The largest value of each channel over the mask, [B 1 C]."""
    features = full_precision(features)
    inside = mask > 0
    highest = features.masked_fill(~inside, -math.inf).amax((2, 3))
    filled = inside.any(dim=3).any(dim=2)
    return torch.where(filled, highest, torch.zeros_like(highest)).unsqueeze(1)


def pool_random(features: Tensor, mask: Tensor, *, count: int = 4) -> Tensor:
    """Features of `count` pixels of the mask, drawn with replacement, [B count C]."""
    features = full_precision(features).flatten(2)
    rank = (mask > 0).flatten(1).long().cumsum(1)
    total = rank[:, -1:]
    draws = torch.rand(len(rank), count, device=rank.device)
    nth = (draws * total).long().clamp(max=total - 1) + 1
    pixels = torch.searchsorted(rank, nth).clamp(max=rank.shape[1] - 1)
    picked = features.gather(2, pixels.unsqueeze(1).expand(-1, features.shape[1], -1))
    return (picked * (total > 0).unsqueeze(1)).transpose(1, 2)


def build_pool(config: ManiConfig) -> Pool:
    """The pooling that the settings name."""
    if config.pool == "max":
        return pool_max
    if config.pool == "random":
        return lambda features, mask: pool_random(features, mask, count=config.random_pixels)
    return lambda features, mask: pool_mean(features, mask, eps=config.pool_eps)


def pseudo_label(logits: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where the probability is strictly above `threshold`, else 0; a constant without graph."""
    limit = math.log(threshold) - math.log1p(-threshold)
    return (full_precision(logits.detach()) > limit).float()


def resized(mask: Tensor, features: Tensor) -> Tensor:
    """The mask at the height and width of the features, by the nearest pixel."""
    if mask.shape[-2:] == features.shape[-2:]:
        return mask
    return functional.interpolate(mask, size=features.shape[-2:], mode="nearest-exact")


def jsd_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """Mean softplus(-T) of the positive scores plus mean softplus(T) of the negative ones.

    Minimising it maximises the Jensen-Shannon estimate of mutual information (paper, equation 1,
    with the sign turned and no shift by log 2).
    """
    return _jsd(positive, [negative], torch.ones_like(positive))


def mi_bound(loss: Tensor) -> Tensor:
    """2 ln 2 less the loss: 0 for a critic that knows nothing, at most 2 ln 2."""
    return CHANCE - loss


@dataclass(frozen=True, slots=True)
class Regions:
    """Vectors of the two regions of one domain.

    Attributes:
        nuclei, background: [B K C], for each image K vectors a region.
        has_nuclei, has_background: bool [B], whether the image has such a region at all.
    """

    nuclei: Tensor
    background: Tensor
    has_nuclei: Tensor
    has_background: Tensor


@dataclass(frozen=True, slots=True)
class Information:
    """What the critic says of a batch of pairs, all scalars.

    Attributes:
        loss: to be minimised.
        bound: see `mi_bound`; 0 where every pair was left out.
        positive, negative: mean scores, detached.
    """

    loss: Tensor
    bound: Tensor
    positive: Tensor
    negative: Tensor


def regions(features: Tensor, mask: Tensor, pool: Pool) -> Regions:
    """The vectors of the nuclei (mask 1) and of the background (mask 0)."""
    mask = resized(mask, features)
    share = mask.mean((1, 2, 3))
    return Regions(pool(features, mask), pool(features, 1 - mask), share > 0, share < 1)


def information(
    critic: nn.Module,
    target: Regions,
    source: Regions,
    *,
    target_background: bool = False,
    skip_empty: bool = False,
) -> Information:
    """Scores pairs of the i-th target with the i-th source image.

    Target nuclei with source nuclei are the positive pairs, target nuclei with source background
    the negative ones.

    Args:
        critic: takes (target vectors, source vectors).
        target: vectors of the target; its background matters only to `target_background`.
        source: vectors of the source.
        target_background: also takes (target background, source nuclei) as negative; the two
            kinds of negative pair then count half each.
        skip_empty: leaves out an image pair of which a region in use is empty; otherwise its zero
            vector is scored like any other.
    """
    positive = full_precision(critic(target.nuclei, source.nuclei))
    negatives = [full_precision(critic(target.nuclei, source.background))]
    used = target.has_nuclei & source.has_nuclei & source.has_background
    if target_background:
        negatives.append(full_precision(critic(target.background, source.nuclei)))
        used = used & target.has_background
    weight = torch.ones_like(positive)
    if skip_empty:
        weight = weight * used.unsqueeze(1)
    loss = _jsd(positive, negatives, weight)
    return Information(
        loss=loss,
        bound=mi_bound(loss.detach()) * weight.any(),
        positive=_weighted_mean(positive.detach(), weight),
        negative=_weighted_mean(torch.stack(negatives).detach().mean(0), weight),
    )


def _jsd(positive: Tensor, negatives: list[Tensor], weight: Tensor) -> Tensor:
    positive = full_precision(positive)
    costs = torch.stack([functional.softplus(full_precision(scores)) for scores in negatives])
    attraction = _weighted_mean(functional.softplus(-positive), weight)
    return attraction + _weighted_mean(costs.mean(0), weight)


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)
