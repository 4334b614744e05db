"""Layers that several networks share: starting weights, resampling, norms and embeddings."""

from __future__ import annotations

import math
from typing import Literal, TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

HALF = 1 / math.sqrt(2)
"""Factor on the sum of two branches that keeps its variance."""
NEARLY_ZERO = 1e-10
"""Scale of layers that start as good as absent."""
GROUP_EPS = 1e-6

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def average_fan(layer: Layer, scale: float = 1.0) -> Layer:
    """The layer with uniform weights of variance ``scale / ((fan_in + fan_out) / 2)``, biases 0."""
    nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(scale))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def outgoing_fan(layer: Layer, scale: float = 1.0) -> Layer:
    """The layer with uniform weights of variance ``scale / fan_out``, biases 0.

    The authors' code means the mean of both fans here too, but divides by the outgoing one.
    """
    nn.init.kaiming_uniform_(layer.weight, mode="fan_out", nonlinearity="linear")
    with torch.no_grad():
        layer.weight.mul_(math.sqrt(scale))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


@final
class Fir(nn.Module):
    """Resampling of each channel with the filter [1, 3, 3, 1] in both directions.

    ``down`` and ``up`` halve and double the sides (a side is rounded down); ``blur`` filters only,
    with two zeros around, so that an unpadded 3x3 convolution of stride 2 halves the sides.

    Args:
        mode: which of the three.
    """

    kernel: Tensor

    def __init__(self, mode: Literal["down", "up", "blur"]) -> None:
        super().__init__()
        self.mode = mode
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(line, line)[None, None] / (16.0 if mode == "up" else 64.0)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B C h w] of features [B C H W]."""
        channels = features.shape[1]
        kernel = self.kernel.expand(channels, 1, 4, 4)
        if self.mode == "up":
            return functional.conv_transpose2d(
                features, kernel, stride=2, padding=1, groups=channels
            )
        stride, padding = (2, 1) if self.mode == "down" else (1, 2)
        return functional.conv2d(features, kernel, stride=stride, padding=padding, groups=channels)


def groups(channels: int) -> int:
    """Groups of a norm over `channels`: a quarter of them, at most 32.

    Departure: where that does not divide them, the next smaller number that does; the authors'
    code fails there.
    """
    most = min(channels // 4, 32)
    return next(number for number in range(most, 0, -1) if channels % number == 0)


def group_norm(channels: int) -> nn.GroupNorm:
    """A group norm with learned factor and offset."""
    return nn.GroupNorm(groups(channels), channels, eps=GROUP_EPS)


@final
class AdaptiveNorm(nn.Module):
    """A group norm whose factor and offset are a linear function of the latent embedding.

    Args:
        channels: of the features.
        latent: length of the embedding.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.groups = groups(channels)
        self.style = outgoing_fan(nn.Linear(latent, 2 * channels))
        nn.init.ones_(self.style.bias[:channels])

    def forward(self, features: Tensor, latent: Tensor) -> Tensor:
        """Features [B C H W] of features and embedding [B latent]."""
        factor, offset = self.style(latent)[..., None, None].chunk(2, dim=1)
        return factor * functional.group_norm(features, self.groups, eps=GROUP_EPS) + offset


def timestep_embedding(steps: Tensor, length: int) -> Tensor:
    """Sines, then cosines, of integer steps [B] at falling frequencies, float32 [B length]."""
    half = length // 2
    places = torch.arange(half, device=steps.device, dtype=torch.float32)
    angles = steps.float()[:, None] * torch.exp(-math.log(10_000) / (half - 1) * places)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def pixel_norm(latent: Tensor) -> Tensor:
    """Each vector of [B N] over the root of its mean square, so that its length says nothing."""
    return latent * torch.rsqrt(latent.square().mean(1, keepdim=True) + 1e-8)


def run(block: nn.Module, *inputs: Tensor, checkpointing: bool) -> Tensor:
    """The output of a block; with `checkpointing` its inside is computed again for gradients
    instead of being kept in memory.
    """
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)
    return block(*inputs)
