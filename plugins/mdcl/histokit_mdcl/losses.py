"""The losses of MDCL: contrast of patches, Gaussian pyramid, least-squares adversary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.losses.segmentation import full_precision

SELF_SCORE = -10.0
"""The cosine that stands, before the temperature, where a patch meets its own key as a negative."""
TEMPERATURE = 0.07
LEVEL_WEIGHTS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of the pyramid's levels from fine to coarse."""


def contrastive_logits(
    query: Tensor, key: Tensor, *, mix: bool = True, temperature: float = TEMPERATURE
) -> Tensor:
    """Scores of S patches of each image, [B S 1 + S] or, with `mix`, [B S 2 S].

    First the patch with its own key, then with all keys of the key image (`SELF_SCORE` in place
    of its own), then with the other patches of its own image. The keys are constants; the other
    patches are not: a patch has a gradient as a negative of others too.

    Args:
        query: unit vectors [B S C] of the generated image.
        key: those of the same positions of the key image.
        mix: whether the third group is there (Wang et al., ICIP 2024; else Park et al., 2020).
        temperature: divides all scores.
    """
    query, key = full_precision(query), full_precision(key.detach())
    own = torch.eye(query.shape[1], dtype=torch.bool, device=query.device)
    with torch.autocast(query.device.type, enabled=False):
        scores = [
            (query * key).sum(-1, keepdim=True),
            (query @ key.mT).masked_fill(own, SELF_SCORE),
        ]
        if mix:
            scores.append(off_diagonal(query @ query.mT))
    return torch.cat(scores, -1) / temperature


def off_diagonal(square: Tensor) -> Tensor:
    """[B N N] without the diagonal, [B N N - 1]; rows keep their order."""
    images, count = square.shape[:2]
    # after the first entry, each stretch of N + 1 entries ends with one of the diagonal
    stretches = square.flatten(1)[:, 1:].reshape(images, count - 1, count + 1)
    return stretches[:, :, :-1].reshape(images, count, count - 1)


def patch_losses(
    query: Tensor, key: Tensor, *, mix: bool = True, temperature: float = TEMPERATURE
) -> Tensor:
    """The cross-entropy of finding its own key, in nats, for each patch, [B S]."""
    logits = contrastive_logits(query, key, mix=mix, temperature=temperature)
    return -functional.log_softmax(logits, -1)[..., 0]


def adaptive_weights(query: Tensor, key: Tensor, uniform: float) -> Tensor:
    """Weights of patches by the cosine with their keys, [B S] with mean 1, without gradient.

    p + (1 - p) relu(cos), then divided by its mean over the patches of the image; p is `uniform`
    (Li et al., MICCAI 2023).
    """
    cosine = (full_precision(query.detach()) * full_precision(key.detach())).sum(-1)
    weights = uniform + (1 - uniform) * functional.relu(cosine)
    return weights * weights.shape[-1] / weights.sum(-1, keepdim=True)


def contrast(
    queries: Sequence[Tensor],
    keys: Sequence[Tensor],
    *,
    mix: bool = True,
    temperature: float = TEMPERATURE,
    uniform: float = 1.0,
) -> Tensor:
    """The mean over taps, images and patches of the weighted `patch_losses`, a scalar.

    Args:
        queries: for each tap the unit vectors [B S C] of the generated image.
        keys: those of the key image.
        mix: see `contrastive_logits`.
        temperature: see `contrastive_logits`.
        uniform: see `adaptive_weights`; with 1 all weights are 1.
    """
    means = [
        (
            adaptive_weights(query, key, uniform)
            * patch_losses(query, key, mix=mix, temperature=temperature)
        ).mean()
        for query, key in zip(queries, keys, strict=True)
    ]
    return torch.stack(means).mean()


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum of the terms, each times its weight, or 1 where it has none."""
    return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()


def critic_terms(fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """What generated images (meant 0) and real ones (meant 1) cost the critic; it minimises half
    of their sum (LSGAN).
    """
    return full_precision(fake).square().mean(), (full_precision(real) - 1).square().mean()


def fooling_loss(fake: Tensor) -> Tensor:
    """How far the critic's scores of generated images are from real (LSGAN)."""
    return (full_precision(fake) - 1).square().mean()


@final
class PyramidLoss(nn.Module):
    """Weighted mean over six levels of a Gaussian pyramid of the mean absolute difference.

    Source: the released code, after PyramidPix2pix (Liu et al., CVPRW 2022). The blur is linear,
    so the pyramid is made once, of the difference. Holds constants only.
    """

    kernel: Tensor

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        kernel = torch.outer(line, line).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """The loss of images [B C H W] of at least 33 pixels a side, a scalar."""
        difference = full_precision(fake) - full_precision(real)
        costs = [level.abs().mean() for level in self.levels(difference)]
        weighted = [w * cost for w, cost in zip(LEVEL_WEIGHTS, costs, strict=True)]
        return torch.stack(weighted).mean()

    def levels(self, images: Tensor) -> list[Tensor]:
        """Five blurred images, each of the size to which the one before was halved, and the last
        halved one.
        """
        found: list[Tensor] = []
        with torch.autocast(images.device.type, enabled=False):
            for _ in LEVEL_WEIGHTS[:-1]:
                padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
                blurred = functional.conv2d(padded, self.kernel, groups=images.shape[1])
                found.append(blurred)
                images = blurred[:, :, ::2, ::2]
        return [*found, images]
