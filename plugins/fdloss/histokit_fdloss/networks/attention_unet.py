"""The Attention U-Net: the standard one, the one of Jimenez et al., and the released script's."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, final

from torch import Tensor, nn

from histokit.errors import UnknownName
from histokit.nn.unet import double_conv
from histokit_fdloss.networks.blocks import (
    KERAS_EPS,
    AlwaysDropout,
    GatedStep,
    GatedUNet,
    conv_norm,
    grow_by_conv,
    half_pixel_upsample,
)

Wiring = Literal["fixed", "released"]


@final
class AdditiveGate(nn.Module):
    """Weights a skip by what the deeper map says of it (after Oktay et al., MIDL 2018).

    Args:
        channels: of the skip.
        gating: of the deeper map, which has the size of the skip.
        middle: in which the two are added.
        weight: from `middle` channels to weights before the sigmoid.
        eps: of the batch norms.
    """

    def __init__(
        self, channels: int, gating: int, middle: int, weight: nn.Module, *, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.of_skip = conv_norm(channels, middle, 1, eps=eps)
        self.of_deep = conv_norm(gating, middle, 1, eps=eps)
        self.weight = nn.Sequential(nn.ReLU(inplace=True), weight, nn.Sigmoid())

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        """The weighted skip."""
        return skip * self.weight(self.of_skip(skip) + self.of_deep(deep))


def attention_unet(in_channels: int, out_channels: int, *, width: int = 64) -> GatedUNet:
    """The standard Attention U-Net: four halvings, one weight a pixel and skip.

    Source: Oktay et al., MIDL 2018, arXiv 1804.03999, in two dimensions and in the layer sizes of
    the common PyTorch version: gates act at the size of the skip and there is no deep supervision.
    Weights start from the defaults of torch.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
    """
    widths = [factor * width for factor in (1, 2, 4, 8, 16)]
    steps = [
        GatedStep(grow_by_conv(deep, skip), _pixel_gate(skip), double_conv(2 * skip, skip))
        for skip, deep in reversed(list(pairwise(widths)))
    ]
    encoder = [double_conv(a, b) for a, b in pairwise([in_channels, *widths[:-1]])]
    bottom = double_conv(widths[-2], widths[-1])
    return GatedUNet(encoder, bottom, steps, nn.Conv2d(width, out_channels, kernel_size=1))


def attention_unet_jimenez(
    in_channels: int, out_channels: int, *, width: int = 64, wiring: Wiring = "fixed"
) -> GatedUNet:
    """The Attention U-Net of Jimenez et al., MICCAI 2022: three halvings, leaky ReLU, dropout.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
        wiring: ``released`` keeps two mistakes of the authors' code: dropout stays on when the
            network is used, and the second decoder step grows the gated skip of the first instead
            of its map, so that the first step's convolutions are never trained.
    """
    if wiring not in ("fixed", "released"):
        raise UnknownName("wiring", wiring, ("fixed", "released"))
    slip = wiring == "released"
    widths = [factor * width for factor in (1, 2, 4, 8)]
    steps = [
        GatedStep(
            nn.Sequential(grow_by_conv(deep, skip), _dropout(wiring)),
            _pixel_gate(skip),
            _leaky_block(2 * skip, skip, wiring),
            slip=slip and deep == widths[-1],
        )
        for skip, deep in reversed(list(pairwise(widths)))
    ]
    encoder = [_leaky_block(a, b, wiring) for a, b in pairwise([in_channels, *widths[:-1]])]
    bottom = nn.Sequential(
        _leaky_block(widths[-2], widths[-1], wiring), _leaky_block(widths[-1], widths[-1], wiring)
    )
    return GatedUNet(encoder, bottom, steps, nn.Conv2d(width, out_channels, kernel_size=1))


def attention_unet_released(in_channels: int, out_channels: int, *, width: int = 64) -> GatedUNet:
    """The Attention U-Net of the script that was published for the feature-distance loss.

    Three halvings; maps grow bilinearly without a convolution, and a gate weights each channel of
    the skip by itself. Convolutions start from He's normal distribution.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
    """
    widths = [factor * width for factor in (1, 2, 4, 8)]
    steps = [
        GatedStep(
            half_pixel_upsample(),
            AdditiveGate(skip, deep, skip, nn.Conv2d(skip, skip, kernel_size=1), eps=KERAS_EPS),
            _keras_block(skip + deep, skip),
        )
        for skip, deep in reversed(list(pairwise(widths)))
    ]
    encoder = [_keras_block(a, b) for a, b in pairwise([in_channels, *widths[:-1]])]
    bottom = _keras_block(widths[-2], widths[-1])
    head = nn.Conv2d(width, out_channels, kernel_size=1)
    return GatedUNet(encoder, bottom, steps, head).apply(_keras_start)


def _pixel_gate(channels: int) -> AdditiveGate:
    middle = channels // 2
    return AdditiveGate(channels, channels, middle, conv_norm(middle, 1, 1))


def _dropout(wiring: Wiring) -> nn.Module:
    return AlwaysDropout(0.5) if wiring == "released" else nn.Dropout(0.5)


def _leaky_block(inside: int, outside: int, wiring: Wiring) -> nn.Sequential:
    return nn.Sequential(
        *conv_norm(inside, outside),
        nn.LeakyReLU(0.01, inplace=True),
        *conv_norm(outside, outside),
        nn.LeakyReLU(0.01, inplace=True),
        _dropout(wiring),
    )


def _keras_block(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        *conv_norm(inside, outside, eps=KERAS_EPS),
        nn.ReLU(inplace=True),
        *conv_norm(outside, outside, eps=KERAS_EPS),
        nn.ReLU(inplace=True),
    )


def _keras_start(module: nn.Module) -> None:
    if isinstance(module, nn.BatchNorm2d):
        module.momentum = 0.01
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
