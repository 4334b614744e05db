"""Geometric augmentation of a whole batch on its device, from parameters drawn on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Augment = Literal["none", "flip", "rotate", "flip+rotate", "dihedral"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """What happens to one image: flips, then quarter turns, then a rotation in degrees."""

    flip_rows: bool = False
    flip_columns: bool = False
    quarters: int = 0
    degrees: float = 0.0


def draw_geometry(kind: Augment, rng: np.random.Generator) -> Geometry:
    """A random geometry.

    ``flip`` and ``rotate`` each act with probability 0.75; a flip turns rows, columns or both
    with equal chance, a rotation is uniform in -90..90 degrees (Sharma et al. 2022, released
    code). ``dihedral`` is one of the eight symmetries of the square, without interpolation.
    """
    if kind == "dihedral":
        return Geometry(flip_rows=bool(rng.integers(2)), quarters=int(rng.integers(4)))
    rows = columns = False
    degrees = 0.0
    if "flip" in kind and rng.random() < 0.75:
        axes = int(rng.integers(3))
        rows, columns = axes != 1, axes != 0
    if "rotate" in kind and rng.random() < 0.75:
        degrees = float(rng.uniform(-90, 90))
    return Geometry(flip_rows=rows, flip_columns=columns, degrees=degrees)


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
