"""The spatially-constrained squeeze: fewer pixels, more channels, neighbours kept together."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Literal

import torch
from torch import Tensor

from histokit.errors import DataError
from histokit.interfaces.spec import Sizes

Order = Literal["phase", "channel"]
"""Output channel ``(2 q_i + q_j) C + c`` (phase) or ``4 c + 2 q_i + q_j`` (channel)."""
WHOLE = 0
"""The tile that is the whole image: the quadrant squeeze."""


def squeeze(features: Tensor, tile: int, order: Order = "phase") -> Tensor:
    """Features [B C H W] as [B 4C H/2 W/2]: each tile is cut into its four quarters, which lie
    one behind another and are untouched inside.

    With m = tile/2, i = I tile + q_i m + u and j = J tile + q_j m + v:
    ``y[b, (2 q_i + q_j) C + c, I m + u, J m + v] = x[b, c, i, j]``. This is our reading of the
    paper's squeeze, whose exact form is not public. Tile 2 is the ordinary squeeze (in the order
    ``channel`` that of `torch.nn.functional.pixel_unshuffle`), tile `WHOLE` the quadrant squeeze.

    Raises DataError where the tile is odd or does not divide a side.
    """
    batch, channels, height, width = features.shape
    down, right = _quarter(height, tile), _quarter(width, tile)
    parts = features.reshape(
        batch, channels, height // (2 * down), 2, down, width // (2 * right), 2, right
    )
    axes = (0, 3, 6, 1, 2, 4, 5, 7) if order == "phase" else (0, 1, 3, 6, 2, 4, 5, 7)
    return parts.permute(axes).reshape(batch, 4 * channels, height // 2, width // 2)


def unsqueeze(features: Tensor, tile: int, order: Order = "phase") -> Tensor:
    """What `squeeze` took apart, [B 4C h w] as [B C 2h 2w]; exact in every dtype."""
    batch, channels, height, width = features.shape
    channels //= 4
    down, right = _quarter(2 * height, tile), _quarter(2 * width, tile)
    phases = (2, 2, channels) if order == "phase" else (channels, 2, 2)
    parts = features.reshape(batch, *phases, height // down, down, width // right, right)
    axes = (0, 3, 4, 1, 5, 6, 2, 7) if order == "phase" else (0, 1, 4, 2, 5, 6, 3, 7)
    return parts.permute(axes).reshape(batch, channels, 2 * height, 2 * width)


def side_multiple(tiles: Sequence[int]) -> int:
    """What sides must be multiples of for squeezes by `tiles` one after another."""
    return lcm(*((tile or 2) * 2**level for level, tile in enumerate(tiles)))


def padded(images: Tensor, sizes: Sizes) -> Tensor:
    """The images mirrored at the bottom and the right, on and on if need be, to legal sides."""
    height, width = images.shape[-2:]
    rows, columns = (_mirrored(side, sizes.fit(side), images) for side in (height, width))
    whole = (len(rows), len(columns)) == (height, width)
    return images if whole else images[..., rows[:, None], columns]


def _mirrored(side: int, length: int, like: Tensor) -> Tensor:
    """0 1 2 3 2 1 0 1 …: the pixels of a side that is mirrored without its edge twice."""
    period = max(2 * (side - 1), 1)
    place = torch.arange(length, device=like.device) % period
    return torch.minimum(place, period - place)


def _quarter(side: int, tile: int) -> int:
    """Side of a quarter tile."""
    tile = tile or side
    if tile % 2 or side % tile:
        raise DataError(
            f"a side of {side} pixels cannot be squeezed by tiles of {tile}",
            expected="an even tile that divides the side",
            found=f"{side} = {side // tile} x {tile} + {side % tile}",
            hint="pad the image, or set other tiles",
        )
    return tile // 2
