"""The whole network, in its three modes."""

from __future__ import annotations

from typing import Literal, final

from torch import Tensor, nn

from histokit.errors import DataError, UnknownName, UsageError
from histokit.interfaces.spec import Sizes
from histokit.nn.hovernet.decoder import Decoder, crop
from histokit.nn.hovernet.encoder import padded_encoder, preact_encoder
from histokit.nn.hovernet.pretrained import PretrainedEncoder

Mode = Literal["fast", "original", "same"]
"""``original`` is the network of the paper, ``fast`` the one of the authors' later release, and
``same`` their padded variant, whose output has the size of its input."""

SIZES = {
    "fast": Sizes(min=96, multiple_of=8, shrink=92),
    "original": Sizes(min=198, multiple_of=8, shrink=190, offset=6),
    "same": Sizes(min=16, multiple_of=8),
}
"""Legal input sides by mode."""
_CROPS = {"fast": (36, 92), "original": (72, 184), "same": (0, 0)}
"""Pixels taken from the skips at stride 2 and 1."""


@final
class HoVerNet(nn.Module):
    """Nuclei, their distance maps and optionally their types, from one encoder.

    Source: Graham et al., Medical Image Analysis 2019, doi 10.1016/j.media.2019.101563, in the
    layer sizes of the authors' PyTorch release. The release scales 0..255 by 1/255 itself; here
    images come in 0..1. All convolutions start from Kaiming's normal distribution (fan out).

    Args:
        in_channels: of the image.
        out_channels: number of types with background; 1 for a network without types.
        mode: see `Mode`.
        narrow: divides the channels of all layers: 1 as published, 2 or 4.
        encoder: a timm network to take the place of the ResNet-50; empty for that.
        encoder_weights: see `histokit.nn.hovernet.pretrained.PretrainedEncoder`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mode: Mode = "fast",
        narrow: int = 1,
        encoder: str = "",
        encoder_weights: str = "",
    ) -> None:
        super().__init__()
        if mode not in SIZES:
            raise UnknownName("mode of HoVer-Net", mode, SIZES)
        self.mode = mode
        self.encoder: nn.Module
        if encoder:
            _require_padded(mode)
            self.encoder = PretrainedEncoder(encoder, in_channels, encoder_weights, narrow=narrow)
        elif mode == "same":
            self.encoder = padded_encoder(in_channels, narrow=narrow)
        else:
            padding = 3 if mode == "fast" else 0
            self.encoder = preact_encoder(in_channels, padding=padding, narrow=narrow)
        self.bottom = nn.Conv2d(2048 // narrow, 1024 // narrow, kernel_size=1, bias=False)
        kinds = {"tp": out_channels} if out_channels > 1 else {}
        kernel, padded = 5 if mode == "original" else 3, mode == "same"
        self.branches = nn.ModuleDict(
            {
                name: Decoder(channels, kernel, padded=padded, narrow=narrow)
                for name, channels in (kinds | {"np": 2, "hv": 2}).items()
            }
        )
        for part in (self.bottom, self.branches, *([] if encoder else [self.encoder])):
            part.apply(_start)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The maps of images [B C H W] in 0..1, each [B K h w] and smaller by `Sizes.shrink`.

        ``np``: logits of background and nucleus; ``hv``: signed horizontal and vertical distances
        to the centre of the nucleus, about -1..1; ``tp``: logits of the types, where there are
        any. Raises DataError, naming the legal ones, for any other size.
        """
        self._check(images)
        d0, d1, d2, d3 = self.encoder(images)
        half, whole = _CROPS[self.mode]
        skips = (d2, crop(d1, half), crop(d0, whole))
        deep = self.bottom(d3)
        return {name: branch(deep, skips) for name, branch in self.branches.items()}

    def _check(self, images: Tensor) -> None:
        sizes = SIZES[self.mode]
        height, width = images.shape[-2:]
        if sizes.allows(height) and sizes.allows(width):
            return
        above = sizes.fit(max(height, width))
        near = [side for side in (above - sizes.multiple_of, above) if side >= sizes.min]
        rest = f" plus {sizes.offset}" if sizes.offset else ""
        raise DataError(
            f"HoVer-Net in mode {self.mode} does not take this input size",
            expected=f"sides of a multiple of {sizes.multiple_of}{rest}, at least {sizes.min}",
            found=f"{height} x {width} pixels",
            hint="set tile to " + " or ".join(str(side) for side in near),
        )


def _require_padded(mode: Mode) -> None:
    """Raises UsageError where the encoder must keep sizes that an unpadded one would not."""
    if mode == "original":
        raise UsageError(
            "HoVer-Net in mode original takes no other encoder",
            expected="its own unpadded ResNet-50",
            hint="use --network hovernet or hovernet-same with --encoder",
        )


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
