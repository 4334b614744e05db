"""Augmentation of a whole batch on its device, from parameters drawn on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from skimage.color import hed_from_rgb, rgb_from_hed
from torch import Tensor
from torch.nn import functional

Augment = Literal["none", "mirror", "flip", "rotate", "flip+rotate", "dihedral", "dihedral+stain"]

STAIN = 0.2
"""Largest relative change of the amount of a stain."""
FADE = 0.05
"""Largest amount of a stain that is added everywhere or taken away, as optical density to base
e."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What happens to one image: flips, then quarter turns, then a rotation in degrees; and to its
    colours: factor and offset of each of three stains, empty for none.
    """

    flip_rows: bool = False
    flip_columns: bool = False
    quarters: int = 0
    degrees: float = 0.0
    stain: tuple[tuple[float, float], ...] = ()


def draw_geometry(kind: Augment, rng: np.random.Generator) -> Geometry:
    """A random geometry.

    ``flip`` and ``rotate`` each act with probability 0.75; a flip turns rows, columns or both
    with equal chance, a rotation is uniform in -90..90 degrees (Sharma et al. 2022, released
    code). ``mirror`` swaps left and right of every second image (CUT and its descendants, released
    code). ``dihedral`` is one of the eight symmetries of the square, without interpolation; with
    ``stain`` the amounts of haematoxylin, eosin and a residue each change a little, after the HED
    jitter of Tellez et al. (IEEE Transactions on Medical Imaging 2018).
    """
    if kind == "mirror":
        return Geometry(flip_columns=bool(rng.integers(2)))
    if kind.startswith("dihedral"):
        how = Geometry(flip_rows=bool(rng.integers(2)), quarters=int(rng.integers(4)))
        return replace(how, stain=_draw_stain(rng)) if kind.endswith("stain") else how
    rows = columns = False
    degrees = 0.0
    if "flip" in kind and rng.random() < 0.75:
        axes = int(rng.integers(3))
        rows, columns = axes != 1, axes != 0
    if "rotate" in kind and rng.random() < 0.75:
        degrees = float(rng.uniform(-90, 90))
    return Geometry(flip_rows=rows, flip_columns=columns, degrees=degrees)


def _draw_stain(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    factors, offsets = rng.uniform(1 - STAIN, 1 + STAIN, 3), rng.uniform(-FADE, FADE, 3)
    return tuple(zip(factors.tolist(), offsets.tolist(), strict=True))


def apply_stain(images: Tensor, geometries: list[Geometry]) -> Tensor:
    """Images [B 3 H W] in 0..1 with the amounts of their stains changed as drawn, kept in 0..1.

    Amounts are read off with the stain colours of scikit-image (Ruifrok and Johnston 2001).
    """
    chosen = [index for index, how in enumerate(geometries) if how.stain]
    if not chosen:
        return images
    to_stains, to_colours = (
        torch.as_tensor(matrix, dtype=images.dtype, device=images.device)
        for matrix in (hed_from_rgb, rgb_from_hed)
    )
    change = torch.tensor([geometries[index].stain for index in chosen]).to(images)
    # reading amounts off, changing them and mixing colours again is one affine map a pixel
    mixed = torch.einsum("cs,bs,se->bec", to_stains, change[:, :, 0], to_colours)
    added = torch.einsum("bs,se->be", change[:, :, 1], to_colours)
    every = len(chosen) == len(images)
    logs = _in_place(np.log, torch.log_, (images if every else images[chosen]).clamp_min(1e-6))
    moved = torch.baddbmm(-added[:, :, None], mixed, logs.flatten(2))
    jittered = _in_place(np.exp, torch.exp_, moved).clamp_(0, 1).view(logs.shape)
    if every:
        return jittered
    return images.index_copy(0, torch.tensor(chosen, device=images.device), jittered)


def _in_place(ours: np.ufunc, elsewhere: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The values after a function: NumPy's on the CPU, where it is twice as fast as that of torch,
    and torch's elsewhere.
    """
    if values.device.type != "cpu":
        return elsewhere(values)
    ours(values.numpy(), out=values.numpy())
    return values


def apply_geometry(batch: Tensor, geometries: list[Geometry], *, nearest: bool = False) -> Tensor:
    """The batch with each image's geometry applied.

    Rotation is bilinear, or nearest for id maps, and mirrors at the border without repeating the
    edge pixel. Flips and quarter turns move pixels without changing them.

    Args:
        batch: [B C H W]; square where an image has quarter turns. Integers keep their values
            exactly with `nearest` (below 2**24).
        geometries: one an image.
        nearest: for id maps.
    """
    moved = torch.stack([_flip(image, g) for image, g in zip(batch, geometries, strict=True)])
    turned = [index for index, g in enumerate(geometries) if g.degrees]
    if turned:
        angles = torch.tensor([geometries[index].degrees for index in turned])
        moved[turned] = _rotate(moved[turned], angles, nearest)
    return moved


def _flip(image: Tensor, geometry: Geometry) -> Tensor:
    axes = [axis for axis, on in ((1, geometry.flip_rows), (2, geometry.flip_columns)) if on]
    image = torch.flip(image, axes) if axes else image
    return torch.rot90(image, geometry.quarters, (1, 2)) if geometry.quarters else image


def _rotate(images: Tensor, degrees: Tensor, nearest: bool) -> Tensor:
    height, width = images.shape[-2:]
    angle = torch.deg2rad(degrees.double())
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    # grid_sample works in coordinates of -1..1 on both axes, hence the ratio for oblong images
    rows, columns = max(height - 1, 1), max(width - 1, 1)
    top = torch.stack([cos, -sin * (rows / columns), zero], 1)
    bottom = torch.stack([sin * (columns / rows), cos, zero], 1)
    theta = torch.stack([top, bottom], 1).to(images.device, torch.float32)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=True)
    turned = functional.grid_sample(
        images.float(),
        grid,
        mode="nearest" if nearest else "bilinear",
        padding_mode="reflection",
        align_corners=True,
    )
    return turned.to(images.dtype)
