"""Where the embedding of a drawn image comes from."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from histokit_ostrich.generator import Generator, Split

Prior = Literal["donor", "normal", "tgmm"]
KEPT = 4
"""Windows that are kept, in a batch of as many."""


@final
class Donors(nn.Module):
    """Some training windows, kept with the weights, whose embeddings drawn images get.

    Args:
        count: of windows.
        tile: side of a window.
    """

    windows: Tensor

    def __init__(self, count: int, tile: int) -> None:
        super().__init__()
        self.register_buffer("windows", torch.full((count, 3, tile, tile), 0.8))

    @torch.no_grad()
    def keep(self, images: Tensor) -> None:
        """Takes the images [B 3 tile tile] with the most contrast, that with the most first."""
        order = images.std((1, 2, 3)).argsort(descending=True)[: len(self.windows)]
        self.windows[: len(order)].copy_(images[order])

    def embedding(self, generator: Generator, sample: int, height: int, width: int) -> Tensor:
        """The embedding [1 d height width] of window `sample`, counted round and round.

        A smaller window is mirrored on and on, and not its embedding: what a pixel of that means
        depends on its place among its neighbours.
        """
        place = sample % len(self.windows)
        window = self.windows[place : place + 1]
        found: Split = generator(_mirrored(_mirrored(window, -2, height), -1, width))
        return found.embedding


def drawn(prior: Prior, sample: int, shape: tuple[int, int, int], like: Tensor) -> Tensor:
    """An embedding [1 *shape] of independent numbers, the same at every call for one `sample`.

    ``normal``: N(0, 1). ``tgmm``: the prior of the authors' earlier TredMiL, an even mixture of
    two normals of mean -1 and 1 and deviation 1, cut two deviations away.
    """
    generator = torch.Generator().manual_seed(sample)
    values = torch.empty(1, *shape)
    if prior == "tgmm":
        nn.init.trunc_normal_(values, 0, 1, -2, 2, generator=generator)
        side = torch.randint(2, values.shape, generator=generator)
        return (values + 2 * side - 1).to(like)
    return values.normal_(generator=generator).to(like)


def _mirrored(values: Tensor, dim: int, length: int) -> Tensor:
    both = torch.cat((values, values.flip(dim)), dim)
    times = -(-length // both.shape[dim])
    return torch.cat([both] * times, dim).narrow(dim, 0, length)
