"""Labels as maps, and masks that users hand in."""

from __future__ import annotations

from typing import Literal

import torch
from scipy import ndimage
from torch import Tensor

from histokit.errors import DataError

Target = Literal["binary", "sdt"]
JITTER = 0.05
"""Noise on the maps: a bijection cannot carry the law of images onto two values."""
REACH = 2.0
"""Pixels from the edge at which a map of distances is at tanh(1)."""


def foreground(ids: Tensor) -> Tensor:
    """The mask, float32 [B 1 H W] of 0 and 1, of ids [B H W]."""
    return (ids > 0).float().unsqueeze(1)


def targets(mask: Tensor, kind: Target) -> Tensor:
    """The map of a mask [B 1 H W]: -1 and 1, or with ``sdt`` the squashed distance to the edge."""
    return signed_distance(mask) if kind == "sdt" else 2 * mask - 1


def jittered(maps: Tensor) -> Tensor:
    """The maps with a little noise, so that their law has a density (section 1.8)."""
    return maps + JITTER * torch.randn_like(maps)


def signed_distance(mask: Tensor) -> Tensor:
    """tanh((distance inside - distance outside) / 2) of each image, -1 or 1 where all is one."""
    maps = [_signed_distance(one) for one in mask.flatten(0, 1)]
    return torch.stack(maps).view_as(mask) if maps else mask


def _signed_distance(mask: Tensor) -> Tensor:
    inside = (mask > 0).cpu().numpy()
    if inside.all() or not inside.any():
        return 2 * mask - 1
    edt = ndimage.distance_transform_edt
    signed = torch.from_numpy(edt(inside) - edt(~inside))
    return torch.tanh(signed / REACH).to(mask)


def two_valued(masks: Tensor) -> Tensor:
    """The masks [B 1 H W] of 0 and 1 that a user gave as grey images in 0..1, of any two values
    the smaller of which is black.

    Raises DataError where there are more values.
    """
    levels = (masks * 255).round()
    values = torch.unique(levels).tolist()
    if sum(value > 0 for value in values) > 1:
        shown = ", ".join(f"{value:.0f}" for value in values[:6])
        raise DataError(
            "the mask has other values than two",
            expected="0 for background and one value, such as 255, for nuclei",
            found=shown + (", …" if len(values) > 6 else ""),
            hint="write it as black and white, as PNG (JPEG blurs edges), at the pixel size of "
            "the training data",
        )
    return (levels > 0).float()
