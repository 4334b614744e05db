"""The invertible layers that have no subnets: squeeze, scaling and channel mixing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.errors import DataError
from histokit_ostrich.squeeze import Order, squeeze, unsqueeze

CONDITION = 1e6
"""Condition number from which on a mixing matrix counts as not invertible."""
LOG_SCALE = 14.0
"""Logarithm of a channel's scale beyond which float32 cannot take it back: ln(CONDITION)."""


class Layer(nn.Module, ABC):
    """A bijection of feature maps [B C H W]."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """The image of the features."""

    @abstractmethod
    def inverse(self, features: Tensor) -> Tensor:
        """What `forward` makes the features of."""

    @abstractmethod
    def log_det(self, features: Tensor) -> Tensor:
        """The logarithm of the Jacobian's absolute determinant at each image, [B]."""

    def flaw(self) -> str:
        """Why the weights can no longer be inverted; empty where they can."""
        return ""


@final
class Squeeze(Layer):
    """`histokit_ostrich.squeeze.squeeze`, or with `back` its inverse."""

    def __init__(self, tile: int, order: Order = "phase", *, back: bool = False) -> None:
        super().__init__()
        self.tile = tile
        self.order: Order = order
        self.back = back

    def forward(self, features: Tensor) -> Tensor:
        """A permutation of the entries."""
        return (unsqueeze if self.back else squeeze)(features, self.tile, self.order)

    def inverse(self, features: Tensor) -> Tensor:
        """The permutation backwards."""
        return (squeeze if self.back else unsqueeze)(features, self.tile, self.order)

    def log_det(self, features: Tensor) -> Tensor:
        """0."""
        return features.new_zeros(len(features))


@final
class ActNorm(Layer):
    """A shift and a scale of each channel: y = (x + b) exp(l); starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Shifted, then scaled."""
        return (features + _column(self.bias)) * _column(self.log_scale).exp()

    def inverse(self, features: Tensor) -> Tensor:
        """Scaled back, then shifted back."""
        return features * _column(-self.log_scale).exp() - _column(self.bias)

    def log_det(self, features: Tensor) -> Tensor:
        """H W times the sum of l."""
        return _everywhere(self.log_scale.sum(), features)

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Sets both so that the channels of these features get mean 0 and deviation 1."""
        self.bias.copy_(-features.mean((0, 2, 3)))
        self.log_scale.copy_(-features.std((0, 2, 3)).clamp_min(1e-3).log())

    def flaw(self) -> str:
        """A scale of 0 or infinity for the arithmetic."""
        largest = float(self.log_scale.detach().abs().max())
        return "" if largest <= LOG_SCALE else f"a channel is scaled by exp(±{largest:.3g})"


class Mix(Layer, ABC):
    """A product of the channels with an invertible matrix W, made and inverted in float64.

    In float32 the inverse alone would cost two digits.
    """

    @abstractmethod
    def matrix(self) -> Tensor:
        """W, float64 [C C]."""

    def forward(self, features: Tensor) -> Tensor:
        """W x at every pixel."""
        return _times(self.matrix(), features)

    def inverse(self, features: Tensor) -> Tensor:
        """W^-1 x at every pixel."""
        return _times(torch.linalg.inv(self.matrix()), features)

    def log_det(self, features: Tensor) -> Tensor:
        """H W log |det W|."""
        return _everywhere(torch.linalg.slogdet(self.matrix()).logabsdet, features)

    def flaw(self) -> str:
        """A condition number above `CONDITION`."""
        matrix = self.matrix().detach()
        if not bool(torch.isfinite(matrix).all()):
            return "a mixing matrix is not finite"
        condition = float(torch.linalg.cond(matrix))
        return "" if condition <= CONDITION else f"a mixing matrix has condition {condition:.3g}"


@final
class OrthogonalMix(Mix):
    """W = expm(A - A^T), which starts as the identity and stays a rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.skew = nn.Parameter(torch.zeros(channels, channels))

    def matrix(self) -> Tensor:
        """The rotation."""
        skew = self.skew.double()
        return torch.linalg.matrix_exp(skew - skew.T)

    def inverse(self, features: Tensor) -> Tensor:
        """W^T x."""
        return _times(self.matrix().T, features)


@final
class LuMix(Mix):
    """W = P L (U + diag(sign exp(log))), as in Glow (Kingma & Dhariwal, 2018).

    P and the signs are constants; here they start, as all of W does, as the identity.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("permutation", torch.eye(channels))
        self.register_buffer("sign", torch.ones(channels))
        self.lower = nn.Parameter(torch.zeros(channels, channels))
        self.upper = nn.Parameter(torch.zeros(channels, channels))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))

    def matrix(self) -> Tensor:
        """The product."""
        lower, upper = self.lower.double().tril(-1), self.upper.double().triu(1)
        lower = lower + torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        diagonal = self.sign.double() * self.log_diagonal.double().exp()
        return self.permutation.double() @ lower @ (upper + torch.diag(diagonal))

    def log_det(self, features: Tensor) -> Tensor:
        """H W times the sum of the logarithms."""
        return _everywhere(self.log_diagonal.sum(), features)


@final
class Permutation(Layer):
    """Channels in another order, drawn once when it is built."""

    order: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.randperm(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Channel ``order[k]`` becomes channel k."""
        return features[:, self.order]

    def inverse(self, features: Tensor) -> Tensor:
        """Back in the old order."""
        return features[:, self.order.argsort()]

    def log_det(self, features: Tensor) -> Tensor:
        """0."""
        return features.new_zeros(len(features))


def require_invertible(module: nn.Module) -> None:
    """Raises DataError, naming the layer, where weights cannot be inverted."""
    for name, layer in module.named_modules():
        flaw = layer.flaw() if isinstance(layer, Layer) else ""
        if flaw:
            raise DataError(
                f"the generator cannot be run backwards: {flaw}",
                expected=f"condition numbers up to {CONDITION:.0e}",
                found=f"layer {name}",
                hint="the weights are damaged or training diverged; train with a lower --lr",
            )


def _times(matrix: Tensor, features: Tensor) -> Tensor:
    return functional.conv2d(features, matrix.to(features.dtype)[:, :, None, None])


def _column(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)


def _everywhere(per_pixel: Tensor, features: Tensor) -> Tensor:
    """The same sum over all pixels for each image."""
    height, width = features.shape[-2:]
    return (per_pixel * height * width).to(features.dtype).expand(len(features))
