"""Where epithelium, stroma, lumen and gaps lie in one field of view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from histokit.data.synth.domains import MPP, Architecture
from histokit.data.synth.noise import Mask, Plane, band_noise, ramp


@dataclass(frozen=True, slots=True)
class Layout:
    """The plan of a field; all planes float32 [H W].

    Attributes:
        depth: µm inwards from the epithelial border; negative in the stroma.
        empty: 1 where there is no tissue (lumen, gap), 0 where there is.
        flow: collagen fibres follow the lines where this is constant (µm).
    """

    depth: Plane
    empty: Plane
    flow: Plane

    @property
    def size(self) -> int:
        """Rows and columns."""
        return int(self.depth.shape[0])

    def belt(self, depth: tuple[float, float]) -> Mask:
        """The pixels with tissue whose depth lies in the range."""
        low, high = depth
        return (self.depth > low) & (self.depth < high) & (self.empty < 0.3)


def slope(plane: Plane, row: int, col: int, reach: int = 6) -> float:
    """Direction (radians, x to the right, y down) in which a plane grows fastest at a pixel."""
    last = plane.shape[0] - 1
    up, down = max(row - reach, 0), min(row + reach, last)
    left, right = max(col - reach, 0), min(col + reach, last)
    return float(
        np.arctan2(plane[down, col] - plane[up, col], plane[row, right] - plane[row, left])
    )


def plan(rng: np.random.Generator, architecture: Architecture, size: int) -> Layout:
    """A new plan [size size] of the given architecture."""
    draw = _nests if architecture.kind == "nests" else _glands
    depth, lumen = draw(rng, architecture, size)
    empty = np.maximum(lumen, _gaps(rng, architecture, depth))
    return Layout(depth, empty, _flow(rng, depth))


def _nests(rng: np.random.Generator, how: Architecture, size: int) -> tuple[Plane, Plane]:
    field = band_noise(rng, size, how.spacing / 4.5 / MPP) + 0.15 * band_noise(rng, size, 2 / MPP)
    depth = ((field + rng.uniform(-0.35, 0.75)) * how.radius).astype(np.float32)
    holes = band_noise(rng, size, 4.5 / MPP)
    return depth, ramp(np.minimum(holes - 1.9, depth / 8 - 0.5), 0.12)


def _glands(rng: np.random.Generator, how: Architecture, size: int) -> tuple[Plane, Plane]:
    centres = _centres(rng, how, size)
    where = _warped_grid(rng, how, size)
    distance, index = cKDTree(centres).query(where, k=2)
    (near, far), (one, two) = distance.T, index.T
    apart = np.linalg.norm(centres[one] - centres[two], axis=1)
    septum = (far**2 - near**2) / (2 * apart) - 1.2
    radii = how.radius * rng.uniform(0.78, 1.12, len(centres))
    walls = how.wall * rng.uniform(0.75, 1.15, len(centres))
    depth = np.minimum(radii[one] - near, septum)
    lumen = depth - walls[one]
    return _enlarge(depth, size), ramp(_enlarge(lumen, size) + 0.7 * _rough(rng, size), 0.7)


def _rough(rng: np.random.Generator, size: int) -> Plane:
    return band_noise(rng, size, 0.8 / MPP, 4 / MPP)


def _centres(rng: np.random.Generator, how: Architecture, size: int) -> NDArray[np.float64]:
    reach = int(np.ceil(size * MPP / how.spacing)) + 2
    rows, cols = np.mgrid[-2 : reach + 1, -2 : reach + 1].reshape(2, -1).astype(float)
    grid = np.stack([rows * 0.87, cols + 0.5 * (rows % 2)], axis=1)
    jitter = rng.normal(0, 0.13, grid.shape) + rng.uniform(-1, 1, 2)
    return (grid + jitter) * how.spacing


def _warped_grid(rng: np.random.Generator, how: Architecture, size: int) -> NDArray[np.float64]:
    half = (size + 1) // 2
    rows, cols = np.mgrid[:half, :half].astype(float) * 2 * MPP
    rows = rows + 1.6 * band_noise(rng, half, 5 / (2 * MPP))
    cols = cols + 1.6 * band_noise(rng, half, 5 / (2 * MPP))
    angle, middle = rng.uniform(0, np.pi), size * MPP / 2
    along = (cols - middle) * np.cos(angle) + (rows - middle) * np.sin(angle)
    pulled = along * (1 / how.stretch - 1)
    return np.stack(
        [(rows + pulled * np.sin(angle)).ravel(), (cols + pulled * np.cos(angle)).ravel()], axis=1
    )


def _enlarge(values: NDArray[np.float64], size: int) -> Plane:
    half = (size + 1) // 2
    plane = values.reshape(half, half).astype(np.float32).repeat(2, axis=0).repeat(2, axis=1)
    return ndimage.gaussian_filter(plane[:size, :size], 2.0, truncate=3.0)


def _gaps(rng: np.random.Generator, how: Architecture, depth: Plane) -> Plane:
    """White slits in the stroma, likelier just outside the epithelium (it shrinks away)."""
    size = depth.shape[0]
    field = band_noise(rng, size, 2.6 / MPP) + 0.35 * band_noise(rng, size, 0.8 / MPP)
    shrunk = np.exp(-(((depth + 1.8) / 1.5) ** 2))
    threshold = 2.5 - 9.0 * how.gaps
    return ramp(np.minimum(field + 0.9 * shrunk - threshold, -depth / 3 - 0.1), 0.22)


def _flow(rng: np.random.Generator, depth: Plane) -> Plane:
    """Fibres run one way, waver, and bend around the epithelium."""
    size = depth.shape[0]
    angle = rng.uniform(0, np.pi)
    rows, cols = np.ogrid[:size, :size]
    straight = (cols * np.cos(angle) + rows * np.sin(angle)) * MPP
    waves = 4.0 * band_noise(rng, size, 9 / MPP)
    around = 0.6 * np.maximum(depth, -10)
    return (straight + waves + around).astype(np.float32)
