"""The couplings, and the small networks in them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit_ostrich.layers import Layer

LATTICE_BITS = 14
"""Binary digits after the point in lattice mode; sums are then exact below 1024."""


@final
class Subnet(nn.Module):
    """Three mirrored 3x3 convolutions, each of all before; the last starts as zero.

    Batch and instance norm have no place here: their statistics differ between the way there and
    the way back.
    """

    def __init__(self, inside: int, outside: int, width: int) -> None:
        super().__init__()
        self.first = _conv(inside, width)
        self.second = _conv(inside + width, width)
        self.last = _conv(inside + 2 * width, outside)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(torch.as_tensor(self.last.bias))

    def forward(self, features: Tensor) -> Tensor:
        """Features of the output channels."""
        for layer in (self.first, self.second):
            features = torch.cat((features, functional.leaky_relu(layer(features), 0.2)), 1)
        return self.last(features)


@final
class AffineCoupling(Layer):
    """a <- a exp(l(b)) + t(b), then b <- b exp(l(a)) + t(a), of channel halves a and b.

    l = clamp tanh(raw / clamp) (Dinh et al., 2017, with a soft clamp as in FrEIA).
    """

    def __init__(self, channels: int, width: int, clamp: float = 1.0) -> None:
        super().__init__()
        self.clamp = clamp
        half = channels // 2
        self.first = Subnet(half, 2 * half, width)
        self.second = Subnet(half, 2 * half, width)

    def forward(self, features: Tensor) -> Tensor:
        """First half, then second."""
        a, b = features.chunk(2, 1)
        log, shift = self._read(self.first, b)
        a = a * log.exp() + shift
        log, shift = self._read(self.second, a)
        return torch.cat((a, b * log.exp() + shift), 1)

    def inverse(self, features: Tensor) -> Tensor:
        """Second half, then first."""
        a, b = features.chunk(2, 1)
        log, shift = self._read(self.second, a)
        b = (b - shift) * (-log).exp()
        log, shift = self._read(self.first, b)
        return torch.cat(((a - shift) * (-log).exp(), b), 1)

    def log_det(self, features: Tensor) -> Tensor:
        """The sum of all l."""
        a, b = features.chunk(2, 1)
        first, shift = self._read(self.first, b)
        second, _ = self._read(self.second, a * first.exp() + shift)
        return (first + second).sum((1, 2, 3))

    def _read(self, subnet: nn.Module, features: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = subnet(features).chunk(2, 1)
        return self.clamp * torch.tanh(raw / self.clamp), shift


@final
class AdditiveCoupling(Layer):
    """Each quarter of the channels gains what a subnet makes of the other three.

    Quarters already changed are read as changed (Kwon & Ye, 2021). It keeps volumes.

    Args:
        channels: of the features.
        width: of the subnets.
        lattice: whether what is added is rounded to the lattice, so that it can be taken away
            again without any error.
    """

    def __init__(self, channels: int, width: int, *, lattice: bool = False) -> None:
        super().__init__()
        self.lattice = lattice
        quarter = channels // 4
        self.subnets = nn.ModuleList(Subnet(3 * quarter, quarter, width) for _ in range(4))

    def forward(self, features: Tensor) -> Tensor:
        """First quarter to last."""
        parts = list(features.chunk(4, 1))
        for place in range(4):
            parts[place] = parts[place] + self._gain(parts, place)
        return torch.cat(parts, 1)

    def inverse(self, features: Tensor) -> Tensor:
        """Last quarter to first."""
        parts = list(features.chunk(4, 1))
        for place in reversed(range(4)):
            parts[place] = parts[place] - self._gain(parts, place)
        return torch.cat(parts, 1)

    def log_det(self, features: Tensor) -> Tensor:
        """0."""
        return features.new_zeros(len(features))

    def _gain(self, parts: list[Tensor], place: int) -> Tensor:
        others = [part for number, part in enumerate(parts) if number != place]
        gain = self.subnets[place](torch.cat(others, 1))
        return on_lattice(gain) if self.lattice else gain


def on_lattice(values: Tensor, bits: int = LATTICE_BITS) -> Tensor:
    """The values, rounded to multiples of 2^-bits; gradients pass as if they were not.

    Half precision becomes float32. Sums and differences of such numbers below 2^(24 - bits) are
    exact there.
    """
    values = values if values.dtype == torch.float64 else values.float()
    return values - values.detach() + (values.detach() * 2**bits).round() / 2**bits


def _conv(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1, padding_mode="reflect")
