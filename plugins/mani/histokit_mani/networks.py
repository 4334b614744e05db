"""The projection head and the critics that score a pair of vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

CONV_WIDTH = 128
DOT_WIDTH = 2048
TEMPERATURE = 0.07
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def projection_head(channels: int) -> nn.Sequential:
    """A 1x1 convolution, batch norm and ReLU that keeps the channels (paper, section 3.2)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel_size=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


@final
class ConcatCritic(nn.Module):
    """An MLP on the two vectors side by side, the target's first; the critic of the paper.

    Source: the concat architecture of Deep InfoMax (Hjelm et al., ICLR 2019) in the sizes of the
    MaNi release.

    Args:
        channels: length of one vector.
        hidden: width of the two hidden layers.
    """

    def __init__(self, channels: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * channels, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Scores [...] of vectors [... channels]."""
        return self.layers(torch.cat((target, source), dim=-1)).squeeze(-1)


@final
class ConvCritic(nn.Module):
    """Three 1x1 convolutions on the two vectors side by side, each pair a map of one pixel.

    The release offers it as an option "on maps" that none of its experiments uses.

    Args:
        channels: length of one vector.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, CONV_WIDTH, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(CONV_WIDTH, CONV_WIDTH, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(CONV_WIDTH, 1, kernel_size=1),
        )

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Scores [...] of vectors [... channels]."""
        pairs = torch.cat((target, source), dim=-1)
        return self.layers(pairs.reshape(-1, pairs.shape[-1], 1, 1)).reshape(pairs.shape[:-1])


@final
class DotCritic(nn.Module):
    """The cosine of two embeddings over a learned temperature, which starts at 0.07.

    Departure: the release normalises the hidden units over the batch; here it is over the units
    of each vector, so that a score depends on its own pair and a single pair can be trained on.

    Args:
        channels: length of one vector.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.target = _Embedding(channels)
        self.source = _Embedding(channels)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """Scores [...] of vectors [... channels], within the reciprocal of the temperature."""
        left = functional.normalize(self.target(target), dim=-1)
        right = functional.normalize(self.source(source), dim=-1)
        return (left * right).sum(-1) * self.log_scale.exp()


@final
class _Embedding(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Linear(channels, DOT_WIDTH, bias=False),
            nn.LayerNorm(DOT_WIDTH),
            nn.ReLU(),
            nn.Linear(DOT_WIDTH, DOT_WIDTH),
        )
        self.shortcut = nn.Linear(channels, DOT_WIDTH)
        self.norm = nn.LayerNorm(DOT_WIDTH)
        with torch.no_grad():
            nn.init.uniform_(self.shortcut.weight, -0.01, 0.01).fill_diagonal_(1.0)

    def forward(self, vectors: Tensor) -> Tensor:
        return self.norm(self.residual(vectors) + self.shortcut(vectors))


def build_critic(
    kind: Literal["concat", "dot", "conv"], channels: int, hidden: int = 512
) -> nn.Module:
    """A critic by name; `hidden` matters to ``concat`` alone."""
    if kind == "concat":
        return ConcatCritic(channels, hidden)
    return DotCritic(channels) if kind == "dot" else ConvCritic(channels)


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Within the block, training-mode batch norms of `module` keep their running statistics.

    They still normalise by the statistics of the batch.
    """
    norms = [m for m in module.modules() if isinstance(m, BATCH_NORMS)]
    before = [norm.track_running_stats for norm in norms]
    try:
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for norm, tracked in zip(norms, before, strict=True):
            norm.track_running_stats = tracked


def halve(output: Any, count: int) -> tuple[Any, Any]:
    """The first `count` samples of a raw network output, and the rest.

    The output is a tensor with the batch in front, or mappings, lists and tuples of such tensors.
    """
    if isinstance(output, Tensor):
        return output[:count], output[count:]
    if isinstance(output, Mapping):
        pairs = {name: halve(part, count) for name, part in output.items()}
        return {n: a for n, (a, _) in pairs.items()}, {n: b for n, (_, b) in pairs.items()}
    parts = [halve(part, count) for part in output]
    return [a for a, _ in parts], [b for _, b in parts]
