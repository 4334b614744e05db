"""The losses of SynDiff: logistic adversaries, the gradient penalty and the generators' sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from histokit.losses.segmentation import full_precision


def called_real(logits: Tensor) -> Tensor:
    """Mean of softplus(-logit): small where a critic calls all of it real."""
    return functional.softplus(-full_precision(logits)).mean()


def called_made(logits: Tensor) -> Tensor:
    """Mean of softplus(logit): small where a critic calls all of it made."""
    return functional.softplus(full_precision(logits)).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor, gamma: float) -> Tensor:
    """R1: gamma / 2 times the mean over images of the squared norm of the critic's gradient.

    Source: Mescheder et al., ICML 2018. In single precision also under autocast, since it is a
    gradient of a gradient.

    Args:
        critic: gives logits [B] of images.
        images: real ones, [B C H W].
        gamma: weight.
    """
    images = images.detach().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gamma / 2 * gradient.square().flatten(1).sum(1).mean()


@dataclass(frozen=True, slots=True)
class GeneratorTerms:
    """What the generators of one domain are told; scalars.

    Attributes:
        cycle: mean absolute difference of an image and its translation there and back.
        recover: the same of an image and what the denoiser makes of its noisy version.
        fool: adversarial loss of that against the time-conditional critic.
        fool_patches: adversarial loss of the one-shot translation against the critic of patches.
    """

    cycle: Tensor
    recover: Tensor
    fool: Tensor
    fool_patches: Tensor

    def __add__(self, other: GeneratorTerms) -> GeneratorTerms:
        """The sum, term by term."""
        return GeneratorTerms(
            self.cycle + other.cycle,
            self.recover + other.recover,
            self.fool + other.fool,
            self.fool_patches + other.fool_patches,
        )

    def total(self, weight: float) -> Tensor:
        """The generators' loss; `weight` is lambda, on both absolute differences."""
        return weight * (self.cycle + self.recover) + self.fool + self.fool_patches


def mean_difference(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference, a scalar."""
    return functional.l1_loss(one, other)
