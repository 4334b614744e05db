"""What is measured of a generator: inversion, embedding, maps and drawn images."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from histokit_ostrich.generator import Generator, Split
from histokit_ostrich.transport import line_distance

Mask = NDArray[np.bool_]
SPECK = 8
"""Components with fewer pixels are specks."""
CROP = 64
"""Side of the crops on which inversion is measured."""


@torch.no_grad()
def inversion_error(generator: Generator, images: Tensor) -> Tensor:
    """The largest difference between lifted images and what comes back of them."""
    lifted = generator.lifted(images)
    return (generator.joined(generator.split(lifted)) - lifted).abs().max()


@torch.no_grad()
def amplification(generator: Generator, split: Split, noise: float = 1e-3) -> Tensor:
    """How much longer a small random change of map and embedding is in the lifted image.

    Measured in float64, as float32 would lose the change where values are large.
    """
    generator = deepcopy(generator).double()
    crop = [part[:1, :, :CROP, :CROP].double() for part in (split.map, split.embedding)]
    size = (crop[0].shape[-2], crop[0].shape[-1])
    moved = [part + noise * torch.randn_like(part) for part in crop]
    change = generator.joined(Split(moved[0], moved[1], size)) - generator.joined(
        Split(crop[0], crop[1], size)
    )
    return (change.square().mean().sqrt() / noise).float()


def participation(embedding: Tensor) -> Tensor:
    """The share of an embedding's channels that carry something, 1/d to 1."""
    rows = embedding.detach().transpose(0, 1).flatten(1)
    covariance = torch.cov(rows).reshape(len(rows), len(rows))
    return participation_ratio(torch.linalg.eigvalsh(covariance)) / len(rows)


def participation_ratio(eigenvalues: Tensor) -> Tensor:
    """(sum of eigenvalues)² / sum of their squares: an effective dimension."""
    return eigenvalues.sum().square() / eigenvalues.square().sum().clamp_min(1e-12)


def polarity(maps: Tensor, lifted: Tensor) -> Tensor:
    """The correlation of a map with the haematoxylin."""
    pair = torch.stack((maps.detach().flatten(), lifted[:, :1].detach().flatten()))
    return torch.corrcoef(pair)[0, 1]


def seam_index(maps: Tensor, side: int) -> Tensor:
    """Mean step between columns across the borders of sub-tiles of `side`, over that elsewhere."""
    steps = maps.detach().diff(dim=-1).abs().flatten(0, -2).mean(0)
    border = torch.arange(1, len(steps) + 1, device=maps.device) % side == 0
    return steps[border].mean() / steps[~border].mean().clamp_min(1e-12)


def leak(embedding: Tensor, mask: Tensor, ridge: float = 1e-3) -> Tensor:
    """R² of the mask [B 1 H W] as a linear function of the embedding's 3x3 neighbourhoods.

    0 is necessary for an embedding without the map, and not sufficient.
    """
    columns = functional.unfold(embedding, 3, padding=1).transpose(1, 2).flatten(0, 1).double()
    truth = mask.flatten().double()
    columns, truth = columns - columns.mean(0), truth - truth.mean()
    gram = columns.T @ columns + ridge * len(columns) * torch.eye(columns.shape[1]).to(columns)
    rest = truth - columns @ torch.linalg.solve(gram, columns.T @ truth)
    return (1 - rest.square().sum() / truth.square().sum().clamp_min(1e-12)).float()


def ghosts(strength: Tensor, drawn: Tensor, donor: Tensor) -> Tensor:
    """How strong the donor's own nuclei still are, over how strong the drawn ones are: 0 gone, 1
    as strong.

    Args:
        strength: what tells nuclei in the drawn images [B 1 H W]: haematoxylin, or a judge's
            probability.
        drawn: the masks that were drawn, 0 and 1.
        donor: the masks of the images that lent the embedding.
    """
    inside, own = drawn > 0.5, donor > 0.5
    ground = _mean(strength, ~inside & ~own)
    wanted = _mean(strength, inside) - ground
    left = _mean(strength, own & ~inside) - ground
    return left / wanted.clamp_min(1e-3)


def dice(found: Tensor, truth: Tensor) -> Tensor:
    """Dice of two masks of the same shape; 1 where both are empty."""
    found, truth = found > 0.5, truth > 0.5
    total = found.sum() + truth.sum()
    return torch.where(total > 0, 2 * (found & truth).sum() / total.clamp_min(1), 1.0)


def outside(images: Tensor) -> Tensor:
    """The share of values that are no colours: below 0 or above 1 by more than a grey level."""
    return ((images < -1 / 255) | (images > 1 + 1 / 255)).float().mean()


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """The mean there; 0 where there is nothing."""
    return (values * where).sum() / where.sum().clamp_min(1)


@dataclass(frozen=True, slots=True)
class Fragments:
    """How a mask falls apart, against the true mask of the same image.

    Attributes:
        split: mean number of predicted components that touch a true one.
        count: predicted over true components.
    """

    split: float
    count: float


def fragments(found: Mask, truth: Mask) -> Fragments:
    """Compares the 4-connected components of two masks [H W] of one image; 1 and 1 where either
    has none.
    """
    (here, areas), (there, true_areas) = _components(found), _components(truth)
    touching = np.unique(np.stack((here, there))[:, (here > 0) & (there > 0)], axis=1)
    count = np.bincount(touching[1], minlength=len(true_areas) + 1)[1:]
    met = count[count > 0]
    both = len(areas) and len(true_areas)
    return Fragments(
        split=float(met.mean()) if len(met) else 1.0,
        count=len(areas) / len(true_areas) if both else 1.0,
    )


@dataclass(frozen=True, slots=True)
class Pieces:
    """How the components of a mask look beside those of any others.

    Attributes:
        specks: share of predicted components that are specks.
        area_gap: W1 between the logarithms of predicted and true areas.
    """

    specks: float
    area_gap: float


def pieces(found: Mask, truth: Mask, speck: int = SPECK) -> Pieces:
    """Compares the 4-connected components of two masks of any size; 0 where there are none."""
    areas, true_areas = _components(found)[1], _components(truth)[1]
    both = len(areas) and len(true_areas)
    return Pieces(
        specks=float((areas < speck).mean()) if len(areas) else 0.0,
        area_gap=line_distance(*(torch.tensor(np.log(a)) for a in (areas, true_areas)))
        if both
        else 0.0,
    )


def _components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Components and their areas."""
    ids, _ = ndimage.label(mask)
    return ids, np.bincount(ids.ravel())[1:]
