"""The terms that the generator minimises."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from histokit.losses.segmentation import dice_loss
from histokit_ostrich.generator import Generator, Split
from histokit_ostrich.squeeze import padded
from histokit_ostrich.transport import (
    bures_to_normal,
    pot_bures_to_normal,
    pot_sliced,
    random_directions,
    sinkhorn,
    sliced_squared,
)

SHARPNESS = 4.0
"""Factor that makes logits of a map: at its targets -1 and 1 the probability is 0.02 and 0.98."""
BOUND = 1.5
"""What critics and transport costs see of a map never exceeds this."""
RANGE = 2.0
"""Values of a map beyond this cost."""
LIFTED = 6.0
"""What the critic of images sees never exceeds this."""
DIRECTIONS = 96
"""Random directions of each sliced cost."""
PATCHES = 2048
"""Patches, or pixels, in a cloud."""
BLOCKS = 512
"""Blocks, or points of a Sinkhorn problem."""
ROUNDS = 100
"""Rounds of a Sinkhorn problem."""
SCALES = ((1, 7), (2, 7), (4, 5))
"""Average pooling and side of the patches of maps."""
BLOCK = 4
"""Side of the blocks of the embedding."""


def logits(maps: Tensor) -> Tensor:
    """A map as logits of the foreground."""
    return SHARPNESS * maps


def bounded(maps: Tensor) -> Tensor:
    """psi(s) = 1.5 tanh(s / 1.5)."""
    return BOUND * torch.tanh(maps / BOUND)


def supervised(maps: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Huber loss to the target plus soft Dice of the mask; not cross-entropy, which would drive
    the map to infinity while the way back is taken at -1 and 1.
    """
    return functional.huber_loss(maps, target) + dice_loss(logits(maps), mask)


def swap(generator: Generator, split: Split, target: Tensor, lifted: Tensor) -> Tensor:
    """Huber loss between the lifted image and what the true map gives with its embedding."""
    swapped = Split(padded(target, generator.sizes), split.embedding, split.size)
    return functional.huber_loss(generator.joined(swapped), lifted)


def patch_transport(fake: Tensor, real: Tensor) -> Tensor:
    """Sliced W2² between patches of two batches of maps, at three scales."""
    fake, real = bounded(fake), bounded(real)
    return torch.stack([_scale_cost(fake, real, *scale) for scale in SCALES]).mean()


def _scale_cost(fake: Tensor, real: Tensor, pool: int, side: int) -> Tensor:
    side = min(side, *(length // pool for length in (*fake.shape[-2:], *real.shape[-2:])))
    one, other = (_cloud(functional.avg_pool2d(maps, pool), side, PATCHES) for maps in (fake, real))
    return _sliced(one, other)


def embedding_transport(embedding: Tensor, cost: str = "gaussian") -> Tensor:
    """Transport of an embedding's pixels and blocks to standard normal ones.

    ``gaussian``: squared Bures distance of the pixels plus sliced costs of pixels and blocks;
    ``pot``: the same, computed by POT; ``sinkhorn``: entropic costs of both by POT, slower.
    """
    pixels, blocks = _cloud(embedding, 1, PATCHES), _cloud(embedding, BLOCK, BLOCKS)
    if cost == "sinkhorn":
        pixels = some_rows(pixels, BLOCKS)
        return sum_of(
            sinkhorn(cloud, torch.randn_like(cloud), rounds=ROUNDS) for cloud in (pixels, blocks)
        )
    by_pot = cost == "pot"
    spread = pot_bures_to_normal(pixels) if by_pot else bures_to_normal(pixels)
    return spread + sum_of(
        _sliced(cloud, torch.randn_like(cloud), by_pot=by_pot) for cloud in (pixels, blocks)
    )


def independence(maps: Tensor, embedding: Tensor) -> Tensor:
    """Sliced cost between pixels of map and embedding and those with maps of other pixels."""
    joint = _cloud(torch.cat((maps, embedding), 1), 1, PATCHES)
    shuffled = joint[torch.randperm(len(joint), device=joint.device), :1].detach()
    return _sliced(joint, torch.cat((shuffled, joint[:, 1:]), 1))


def transport_cost(maps: Tensor, lifted: Tensor) -> Tensor:
    """|s - h|, h the haematoxylin of the lifted image without gradient: what a map moves."""
    return (maps - lifted[:, :1].detach()).abs().mean()


def range_guard(maps: Tensor) -> Tensor:
    """The mean square of what exceeds `RANGE`."""
    return functional.relu(maps.abs() - RANGE).square().mean()


def some_rows(cloud: Tensor, count: int) -> Tensor:
    """`count` random points of a cloud [N D], or with fewer points all."""
    return cloud[torch.randperm(len(cloud), device=cloud.device)[:count]]


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """The sum of scalars."""
    return torch.stack(list(terms)).sum()


def _cloud(maps: Tensor, side: int, count: int) -> Tensor:
    """`count` windows of `side` pixels at random places, [count C side side] as rows.

    Windows may repeat, so that two clouds always have as many.
    """
    batch, channels, height, width = maps.shape
    sample = torch.randint(batch, (count, 1, 1), device=maps.device)
    step = torch.arange(side, device=maps.device)
    row = torch.randint(height - side + 1, (count, 1, 1), device=maps.device) + step[:, None]
    column = torch.randint(width - side + 1, (count, 1, 1), device=maps.device) + step
    return maps.permute(0, 2, 3, 1)[sample, row, column].reshape(count, side * side * channels)


def _sliced(first: Tensor, second: Tensor, *, by_pot: bool = False) -> Tensor:
    directions = random_directions(first.shape[1], DIRECTIONS, first)
    return (pot_sliced if by_pot else sliced_squared)(first, second, directions)
