"""The diffusive generator: NCSN++ whose group norms adapt to a latent vector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.losses.segmentation import full_precision
from histokit_syndiff_pl.networks.layers import (
    HALF,
    NEARLY_ZERO,
    AdaptiveNorm,
    Fir,
    average_fan,
    group_norm,
    outgoing_fan,
    pixel_norm,
    run,
    timestep_embedding,
)


@final
class Residual(nn.Module):
    """A residual block of BigGAN's kind, told the step and the latent vector.

    Args:
        inside: channels of the input.
        outside: channels of the output.
        time: length of the step's embedding.
        latent: length of the latent embedding.
        resample: what halves or doubles the sides; None keeps them.
    """

    def __init__(
        self, inside: int, outside: int, *, time: int, latent: int, resample: Fir | None = None
    ) -> None:
        super().__init__()
        self.norm_in = AdaptiveNorm(inside, latent)
        self.conv_in = average_fan(nn.Conv2d(inside, outside, 3, padding=1))
        self.time = average_fan(nn.Linear(time, outside))
        self.norm_out = AdaptiveNorm(outside, latent)
        self.conv_out = average_fan(nn.Conv2d(outside, outside, 3, padding=1), NEARLY_ZERO)
        self.resample = resample or nn.Identity()
        plain = resample is None and inside == outside
        self.shortcut = nn.Identity() if plain else average_fan(nn.Conv2d(inside, outside, 1))

    def forward(self, features: Tensor, time: Tensor, latent: Tensor) -> Tensor:
        """Features of features [B inside H W], embedded step [B time] and latent [B latent]."""
        h = self.conv_in(self.resample(functional.silu(self.norm_in(features, latent))))
        h = h + self.time(functional.silu(time))[..., None, None]
        h = self.conv_out(functional.silu(self.norm_out(h, latent)))
        return (self.shortcut(self.resample(features)) + h) * HALF


@final
class Attention(nn.Module):
    """Self-attention of all positions with one head.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.query = average_fan(nn.Linear(channels, channels), 0.1)
        self.key = average_fan(nn.Linear(channels, channels), 0.1)
        self.value = average_fan(nn.Linear(channels, channels), 0.1)
        self.out = average_fan(nn.Linear(channels, channels), NEARLY_ZERO)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        places = self.norm(features).flatten(2).transpose(1, 2)
        found = functional.scaled_dot_product_attention(
            self.query(places), self.key(places), self.value(places)
        )
        return (features + self.out(found).transpose(1, 2).reshape(features.shape)) * HALF


@final
class Stage(nn.Module):
    """A residual block and what follows it: attention, or nothing.

    Args:
        residual: the block.
        attends: whether attention follows.
        channels: of the block's output.
    """

    def __init__(self, residual: Residual, channels: int, *, attends: bool) -> None:
        super().__init__()
        self.residual = residual
        self.attention = Attention(channels) if attends else nn.Identity()

    def forward(self, features: Tensor, time: Tensor, latent: Tensor) -> Tensor:
        """As the residual block."""
        return self.attention(self.residual(features, time, latent))


@final
class Halving(nn.Module):
    """What stands between two levels on the way down: features and input pyramid, made half as
    large and mixed.

    Args:
        residual: halves the features.
        pyramid: channels of the input pyramid.
        channels: of the features.
    """

    def __init__(self, residual: Residual, pyramid: int, channels: int) -> None:
        super().__init__()
        self.residual = residual
        self.pyramid = average_fan(nn.Conv2d(pyramid, channels, 3, stride=2))
        self.blur = Fir("blur")

    def forward(self, features: Tensor, pyramid: Tensor, time: Tensor, latent: Tensor) -> Tensor:
        """The features of the next level, which are its input pyramid too."""
        h = self.residual(features, time, latent)
        return (self.pyramid(self.blur(pyramid)) + h) * HALF


@final
class DownLevel(nn.Module):
    """The stages at one resolution on the way down.

    Args:
        stages: in order.
        halving: leads to the next level; None at the coarsest.
        checkpointing: see `run`.
    """

    def __init__(
        self, stages: Sequence[Stage], halving: Halving | None, *, checkpointing: bool
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.halving = halving
        self.checkpointing = checkpointing

    def forward(
        self, features: Tensor, pyramid: Tensor, time: Tensor, latent: Tensor
    ) -> list[Tensor]:
        """What each part gives, in order; the last is the input of the next level."""
        given: list[Tensor] = []
        for stage in self.stages:
            features = run(stage, features, time, latent, checkpointing=self.checkpointing)
            given.append(features)
        if self.halving is not None:
            inputs = (features, pyramid, time, latent)
            given.append(run(self.halving, *inputs, checkpointing=self.checkpointing))
        return given


@final
class UpLevel(nn.Module):
    """The stages at one resolution on the way up, each of which takes up one skip.

    Args:
        stages: in order.
        doubling: leads to the next level; None at the finest.
        checkpointing: see `run`.
    """

    def __init__(
        self, stages: Sequence[Stage], doubling: Residual | None, *, checkpointing: bool
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.doubling = doubling
        self.checkpointing = checkpointing

    def forward(
        self, features: Tensor, skips: list[Tensor], time: Tensor, latent: Tensor
    ) -> Tensor:
        """The input of the next level. The skips that are used are taken from the list's end."""
        for stage in self.stages:
            joined = torch.cat((features, skips.pop()), dim=1)
            features = run(stage, joined, time, latent, checkpointing=self.checkpointing)
        if self.doubling is not None:
            features = run(self.doubling, features, time, latent, checkpointing=self.checkpointing)
        return features


@final
class Denoiser(nn.Module):
    """G_theta: predicts the clean image from a noisy one, guided by an image of the other domain.

    Source: NCSN++ (Song et al., ICLR 2021) with the adaptive norms of denoising diffusion GANs
    (Xiao et al., ICLR 2022) as SynDiff sets it (arXiv 2207.08208); without dropout, which is 0
    there. Departures: attention is placed by level instead of by the side of the image, so that
    any side that can be halved between all levels works, and resampling is plain convolution.
    The network starts with outputs that are nearly 0.

    Args:
        channels: of an image.
        width: channels at full resolution.
        factors: by level, on `width`.
        blocks: residual blocks a level.
        attention: the level that has attention besides the middle; 0 is full resolution, -1 the
            coarsest.
        latent: length of the random vector.
        latent_width: length of its embedding.
        mapping: layers of the latent mapping after the first.
        checkpointing: saves memory at the cost of time; see `run`.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        width: int = 64,
        factors: Sequence[int] = (1, 1, 2, 2, 4, 4),
        blocks: int = 2,
        attention: int = -1,
        latent: int = 100,
        latent_width: int = 256,
        mapping: int = 3,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.width = width
        self.checkpointing = checkpointing
        widths = [width * factor for factor in factors]
        attends = [level == attention % len(widths) for level in range(len(widths))]
        residual = partial(Residual, time=4 * width, latent=latent_width)
        self.time = nn.Sequential(
            average_fan(nn.Linear(width, 4 * width)),
            nn.SiLU(),
            average_fan(nn.Linear(4 * width, 4 * width)),
        )
        self.enter = average_fan(nn.Conv2d(2 * channels, width, 3, padding=1))
        down, skips = _way_down(residual, 2 * channels, widths, blocks, attends, checkpointing)
        self.down = nn.ModuleList(down)
        deepest = widths[-1]
        self.middle = nn.ModuleList(
            [
                Stage(residual(deepest, deepest), deepest, attends=True),
                Stage(residual(deepest, deepest), deepest, attends=False),
            ]
        )
        self.up = nn.ModuleList(_way_up(residual, skips, widths, blocks, attends, checkpointing))
        self.norm = group_norm(widths[0])
        self.out = average_fan(nn.Conv2d(widths[0], 2 * channels, 3, padding=1), NEARLY_ZERO)
        self.mapping = _mapping(latent, latent_width, mapping)

    def forward(self, noisy: Tensor, source: Tensor, steps: Tensor, latent: Tensor) -> Tensor:
        """The clean image, float32 [B C H W] in -1..1.

        Args:
            noisy: x at `steps` + 1, [B C H W]; the sides can be halved between all levels.
            source: the same place in the other domain, [B C H W] in -1..1.
            steps: int64 [B], 0 for the last step to the clean image.
            latent: normal random numbers [B latent]; only their direction matters.
        """
        return self.maps(noisy, source, steps, latent)[:, : self.channels]

    def maps(self, noisy: Tensor, source: Tensor, steps: Tensor, latent: Tensor) -> Tensor:
        """All 2 C output channels, of which the published network uses the first half only."""
        embedded = (
            self.time(timestep_embedding(steps, self.width)),
            self.mapping(pixel_norm(latent)),
        )
        pyramid = torch.cat((noisy, source), dim=1)
        skips = [self.enter(pyramid)]
        for level in self.down:
            skips += level(skips[-1], pyramid, *embedded)
            pyramid = skips[-1]
        h = skips[-1]
        for stage in self.middle:
            h = run(stage, h, *embedded, checkpointing=self.checkpointing)
        for level in self.up:
            h = level(h, skips, *embedded)
        return torch.tanh(full_precision(self.out(functional.silu(self.norm(h)))))


def _way_down(
    residual: partial[Residual],
    pyramid: int,
    widths: Sequence[int],
    blocks: int,
    attends: Sequence[bool],
    checkpointing: bool,
) -> tuple[list[DownLevel], list[int]]:
    """The levels from the finest on, and the channels of all that they leave for the way up."""
    levels, skips, inside = [], [widths[0]], widths[0]
    for number, outside in enumerate(widths):
        stages = []
        for _ in range(blocks):
            stages.append(Stage(residual(inside, outside), outside, attends=attends[number]))
            inside = outside
            skips.append(outside)
        halving = None
        if number + 1 < len(widths):
            halving = Halving(residual(outside, outside, resample=Fir("down")), pyramid, outside)
            pyramid = outside
            skips.append(outside)
        levels.append(DownLevel(stages, halving, checkpointing=checkpointing))
    return levels, skips


def _way_up(
    residual: partial[Residual],
    skips: Sequence[int],
    widths: Sequence[int],
    blocks: int,
    attends: Sequence[bool],
    checkpointing: bool,
) -> list[UpLevel]:
    """The levels from the coarsest on; each has a block more than on the way down."""
    levels, inside, left = [], widths[-1], list(skips)
    for number, outside in reversed(list(enumerate(widths))):
        stages = []
        for block in range(blocks + 1):
            mixed = residual(inside + left.pop(), outside)
            stages.append(Stage(mixed, outside, attends=attends[number] and block == blocks))
            inside = outside
        doubling = residual(outside, outside, resample=Fir("up")) if number else None
        levels.append(UpLevel(stages, doubling, checkpointing=checkpointing))
    return levels


def _mapping(latent: int, width: int, layers: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for inside in (latent, *[width] * layers):
        parts += [outgoing_fan(nn.Linear(inside, width)), nn.SiLU()]
    return nn.Sequential(*parts)
