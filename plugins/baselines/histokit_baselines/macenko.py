"""Macenko's stain normalisation: stain colours and strengths are set to a reference's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces import Context, Method, Phase, Stateful, Translator
from histokit_baselines.config import MacenkoConfig
from histokit_baselines.reference import read_references

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

Array = NDArray[np.float64]
Planes = NDArray[np.floating]

DARKEST = 1 / 256
"""Least intensity, so that black has a finite density."""
STRONGEST = 99.0
"""Percentile of a stain's concentration that counts as its strength (section 2.3)."""
FEWEST = 100
"""Stained pixels that two stain colours are estimated from at least."""
POOLED = 1_000_000
"""Pixels of the reference that are looked at, at most; evenly spread."""


@dataclass(frozen=True, slots=True)
class Stains:
    """The two stains of an image: unit vectors of optical density [3 2], haematoxylin first, and
    the strength of each [2].
    """

    vectors: Array
    strengths: Array


BUILT_IN = Stains(
    np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]]),
    np.array([1.9705, 1.0308]),
)
"""The target of the authors' published code."""


class Macenko(Method, Translator):
    """Stain normalisation by singular vectors of optical density (Macenko et al. 2009).

    The stains of the input are estimated on each window, which is what normalising tiles means;
    for one estimate an image, give a window that holds it. A window with fewer than 100 stained
    pixels is given back as it is.
    """

    def __init__(self, target: Stains, config: MacenkoConfig) -> None:
        self.target = target
        self.config = config

    @classmethod
    def build(cls, config: MacenkoConfig, context: Context) -> Self:
        """The method with the stains of its reference. Raises DataError where there are none."""
        return cls(_reference_stains(config, context) if config.reference else BUILT_IN, config)

    def stateful(self) -> Mapping[str, Stateful]:
        """Nothing."""
        return {}

    def phases(self) -> Sequence[Phase]:
        """None."""
        return []

    def translate(self, images: Images) -> Images:
        """The images with stains of the colour and strength of the reference."""
        rgb = images.float().cpu().contiguous().numpy()
        moved = optical_density(rgb).reshape(len(rgb), 3, -1)
        for image, densities in zip(rgb, moved, strict=True):
            found = estimate(
                densities[:, :: self.config.every], self.config.beta, self.config.alpha
            )
            if found is None:
                densities[:] = image.reshape(3, -1)
            else:
                self._recolour(densities, found)
        return torch.from_numpy(moved).view(images.shape).to(images)

    def _recolour(self, densities: Planes, found: Stains) -> None:
        """Makes colours in 0..1 of densities [3 n], with the reference's stains for those found."""
        ratios = self.target.strengths / np.maximum(found.strengths, 1e-6)
        mixing = (self.target.vectors * -ratios).astype(densities.dtype)
        np.matmul(mixing, concentrations(densities, found.vectors), out=densities)
        np.exp(densities, out=densities).clip(0, 1, out=densities)


def optical_density(image: Planes) -> Planes:
    """``-log I`` of intensities in 0..1 (equation 1), with the natural logarithm as in the authors'
    code, whose threshold and target we use; the paper writes log10. Of the image's precision.
    """
    densities = np.maximum(image, DARKEST)
    return np.negative(np.log(densities, out=densities), out=densities)


def estimate(densities: Planes, beta: float, alpha: float) -> Stains | None:
    """The stains of pixels [3 n] (section 2.2); None with fewer than 100 stained ones.

    Args:
        densities: optical densities.
        beta: pixels with a channel below it count as unstained.
        alpha: percentile of the angle in the plane of the two largest singular vectors at which
            either stain is found.
    """
    stained = densities.compress(densities.min(0) >= beta, 1)
    if stained.shape[1] < FEWEST:
        return None
    plane = _plane(stained)
    across, up = plane.astype(stained.dtype) @ stained
    extremes = np.percentile(np.arctan2(up, across), [alpha, 100 - alpha])
    found = np.stack([np.cos(extremes), np.sin(extremes)], 1) @ plane
    found = np.abs(found[np.argsort(-found[:, 0])])  # haematoxylin absorbs more red
    vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).T
    amounts = concentrations(stained, vectors)
    return Stains(vectors, np.percentile(amounts, STRONGEST, axis=1))


def _plane(stained: Planes) -> Array:
    """The two directions [2 3] that densities [3 n] vary most along, pointing to more density."""
    mean = stained.mean(1, dtype=np.float64)
    spread = (stained @ stained.T) / stained.shape[1] - np.outer(mean, mean)
    directions = np.linalg.eigh(spread)[1].T[:0:-1]
    return directions * np.where(directions.sum(1) < 0, -1, 1)[:, None]


def concentrations(densities: Planes, vectors: Array) -> Planes:
    """How much of each stain [2 n] pixels [3 n] have, by least squares, from 0."""
    solved = np.linalg.pinv(vectors).astype(densities.dtype) @ densities
    return np.maximum(solved, 0, out=solved)


def _reference_stains(config: MacenkoConfig, context: Context) -> Stains:
    images = read_references(config.reference, context)
    pooled = np.concatenate([optical_density(image).reshape(-1, 3).T for image in images], axis=1)
    found = estimate(pooled[:, :: -(-pooled.shape[1] // POOLED)], config.beta, config.alpha)
    if found is None:
        raise DataError(
            f"{config.reference} shows no stained tissue",
            expected=f"{FEWEST} pixels of optical density {config.beta:g} or more in each colour",
        )
    return found
