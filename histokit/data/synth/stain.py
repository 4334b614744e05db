"""How much haematoxylin, eosin and red-cell pigment lies at each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from histokit.data.synth.domains import MPP, Domain, Tissue
from histokit.data.synth.layout import Layout
from histokit.data.synth.noise import Mask, Plane, band_noise, ramp
from histokit.data.synth.nuclei import Field, Nucleus, outline, waves, window


def concentrations(
    rng: np.random.Generator, domain: Domain, layout: Layout, field: Field
) -> NDArray[np.float32]:
    """Optical densities [3 H W] of haematoxylin, eosin and red-cell pigment, all at least 0."""
    tissue, free = domain.tissue, field.ids == 0
    dye, cover = _chromatin(rng, layout.size, field.nuclei)
    back, pink = _ground(rng, tissue, layout, field)
    back, pink = _bodies(rng, tissue, layout, free, back, pink)
    specks = _specks(rng, tissue, layout, free)
    blood = _blood(rng, tissue, layout, free) * (1 - cover)
    halo = np.clip(ndimage.gaussian_filter(cover, 0.9 / MPP, truncate=2.5) - cover, 0, 1)
    pink = pink * (1 - 0.55 * cover) * (1 - 0.5 * halo) * (1 - 0.8 * blood)
    back = back * (1 - cover) * (1 - 0.4 * halo) * (1 - blood)
    planes = np.stack([back + dye + specks * (1 - cover), pink + 0.25 * specks, 0.54 * blood])
    uneven = np.exp(tissue.uneven * band_noise(rng, layout.size, 16 / MPP))
    return np.maximum(planes * uneven, 0).astype(np.float32)


def _ground(
    rng: np.random.Generator, tissue: Tissue, layout: Layout, field: Field
) -> tuple[Plane, Plane]:
    """Haematoxylin and eosin of cytoplasm and collagen, without nuclei."""
    size = layout.size
    epithelium = ramp(layout.depth, 0.5)
    stroma, solid = 1 - epithelium, 1 - layout.empty
    grain = band_noise(rng, size, 0.25 / MPP, 1.2 / MPP)
    clouds = band_noise(rng, size, 2.0 / MPP, 9 / MPP)
    fibres = _fibres(rng, layout)
    tones, membranes = _cells(rng, layout, field)
    cell = np.clip(1 + 0.13 * grain + 0.12 * clouds + tones + 0.6 * membranes, 0.15, 2)
    collagen = np.clip(0.86 + 0.42 * fibres + 0.16 * clouds + 0.06 * grain, 0.05, 2)
    rim = np.exp(-(((layout.depth + 0.2) / 0.6) ** 2))
    pink = epithelium * tissue.cytoplasm * cell
    pink += stroma * tissue.stroma * collagen + 0.35 * tissue.stroma * rim
    basic = np.clip(1 + 0.25 * grain + 0.4 * clouds + tones, 0, 3)
    back = tissue.tint * basic * (epithelium + 0.28 * stroma)
    return (back * solid).astype(np.float32), (pink * solid).astype(np.float32)


def _fibres(rng: np.random.Generator, layout: Layout) -> Plane:
    """Bundles of collagen that follow the flow, about unit deviation."""
    texture = ndimage.gaussian_filter(
        rng.standard_normal((256, 64), dtype=np.float32), (0.55, 1.0), mode="wrap"
    )
    broad = ndimage.gaussian_filter(
        rng.standard_normal((256, 64), dtype=np.float32), (2.2, 1.5), mode="wrap"
    )
    texture = texture / texture.std() + 0.8 * broad / broad.std()
    drift = band_noise(rng, layout.size, 8 / MPP)
    across = layout.flow / 0.62
    along = 2.2 * drift + np.arange(layout.size, dtype=np.float32) * (MPP / 15)
    coordinates = np.stack([across, np.broadcast_to(along, across.shape)])
    return ndimage.map_coordinates(texture, coordinates, order=1, mode="grid-wrap") / 1.28


def _cells(rng: np.random.Generator, layout: Layout, field: Field) -> tuple[Plane, Plane]:
    """The cells, each the pixels nearest to one nucleus: their own tone, and their membranes.

    Returns:
        A relative tone of about ±0.15 a cell, and 1 on the lines between cells.
    """
    size = layout.size
    half = (size + 1) // 2
    if len(field.nuclei) < 2:
        return np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
    centres = np.array([(nucleus.row, nucleus.col) for nucleus in field.nuclei])
    tones = rng.normal(0, 0.15, len(centres))
    warp = 2.5 * band_noise(rng, half, 0.8 / MPP)
    grid = np.mgrid[:half, :half].reshape(2, -1).T * 2.0 + warp.reshape(-1, 1)
    distance, index = cKDTree(centres).query(grid, k=2)
    line = np.exp(-(((distance[:, 1] - distance[:, 0]) * MPP / 0.9) ** 2))
    return _enlarged(tones[index[:, 0]], size), _enlarged(line, size)


def _enlarged(values: NDArray[np.float64], size: int) -> Plane:
    half = (size + 1) // 2
    plane = values.reshape(half, half).astype(np.float32).repeat(2, axis=0).repeat(2, axis=1)
    return ndimage.gaussian_filter(plane[:size, :size], 1.0, truncate=3.0)


def _chromatin(
    rng: np.random.Generator, size: int, nuclei: Sequence[Nucleus]
) -> tuple[Plane, Plane]:
    """Haematoxylin of the nuclei, and how much of each pixel they cover (0..1)."""
    dye = np.zeros((size, size), dtype=np.float32)
    cover = np.zeros((size, size), dtype=np.float32)
    clots = band_noise(rng, size, 0.28 / MPP, 1.1 / MPP)
    patches = band_noise(rng, size, 0.6 / MPP, 2.6 / MPP)
    for nucleus in nuclei:
        where = window(nucleus.row, nucleus.col, nucleus.reach, size)
        far = outline(nucleus, where)
        ragged = 1 - far + 0.014 * clots[where]
        soft = ramp(ragged * np.float32(min(nucleus.half)), nucleus.soft)
        own = _texture(rng, nucleus, far, clots[where] + 0.8 * patches[where])
        dye[where] = own * soft + dye[where] * (1 - 0.72 * soft)
        cover[where] = np.maximum(cover[where], soft)
    return dye, cover


def _texture(rng: np.random.Generator, nucleus: Nucleus, far: Plane, clots: Plane) -> Plane:
    """Chromatin of one nucleus: body, clots, membrane and nucleoli, as optical density."""
    pale = nucleus.vesicular
    inwards = (1 - far) * np.float32(min(nucleus.half)) * MPP
    membrane = np.exp(-(((inwards - 0.25) / 0.42) ** 2))
    density = 1 - 0.62 * pale + (0.13 + 0.10 * pale) * clots + (0.1 + 0.55 * pale) * membrane
    rows, cols = np.nonzero(far < 0.55)
    spots = rng.integers(0, 3) if pale > 0.4 and rows.size else 0
    for pick in rng.integers(0, max(rows.size, 1), spots).tolist():
        tall = np.arange(far.shape[0], dtype=np.float32)[:, None] - rows[pick]
        wide = np.arange(far.shape[1], dtype=np.float32)[None, :] - cols[pick]
        spread = np.float32(rng.uniform(0.5, 0.85) / MPP)
        density = density + 0.6 * np.exp(-(tall**2 + wide**2) / spread**2)
    return (nucleus.dye * np.clip(density, 0.12, 1.5)).astype(np.float32)


def _scatter(
    rng: np.random.Generator,
    allowed: Mask,
    mean: float,
    radius: tuple[float, float],
    soft: float,
) -> Plane:
    """Roundish bodies (0..1) on allowed pixels.

    Args:
        rng: where places and sizes are drawn from.
        allowed: where centres may lie.
        mean: mean number in a field of 64 × 64 µm.
        radius: range of radii, µm.
        soft: half width of their edge, µm.
    """
    size = allowed.shape[0]
    plane = np.zeros((size, size), dtype=np.float32)
    candidates = np.flatnonzero(allowed)
    wanted = int(rng.poisson(mean * (size * MPP / 64) ** 2)) if candidates.size else 0
    for spot in rng.choice(candidates, wanted).tolist() if wanted else []:
        row, col = divmod(spot, size)
        half = rng.uniform(*radius) / MPP * np.exp(rng.normal(0, 0.13, 2))
        shape = (float(half[0]), float(half[1]))
        body = Nucleus(row, col, shape, float(rng.uniform(0, np.pi)), waves(rng, 0.1), 0, 1, 0, 1)
        where = window(row, col, body.reach + int(soft / MPP), size)
        strength = np.float32(rng.uniform(0.65, 1.0))
        edge = ramp((1 - outline(body, where)) * np.float32(half.min()), soft / MPP)
        plane[where] = np.maximum(plane[where], strength * edge)
    return plane


def _bodies(
    rng: np.random.Generator, tissue: Tissue, layout: Layout, free: Mask, back: Plane, pink: Plane
) -> tuple[Plane, Plane]:
    """Adds goblet vacuoles, dense eosinophilic bodies and shadows of nuclei out of the plane."""
    solid = layout.empty < 0.3
    cup = free & solid & (layout.depth > 9)
    mucin = _scatter(rng, cup, tissue.mucin, (2.2, 4.2), 0.5)
    smears = _scatter(rng, free & solid, tissue.smears, (1.5, 4.0), 1.4)
    ghosts = _scatter(rng, free & solid, tissue.ghosts, (2.5, 4.2), 2.2)
    pink = pink * (1 - 0.75 * mucin) + (0.16 + 0.5 * tissue.cytoplasm) * smears
    back = back * (1 - 0.3 * mucin) + 0.5 * tissue.tint * smears + 2.6 * tissue.tint * ghosts
    return back, pink


def _specks(rng: np.random.Generator, tissue: Tissue, layout: Layout, free: Mask) -> Plane:
    """Haematoxylin of crumbs: fragments of dead nuclei and pigment, too small to be nuclei."""
    allowed = free & (layout.empty < 0.9)
    crumbs = _scatter(rng, allowed, tissue.debris, (0.4, 1.25), 0.35)
    return crumbs * np.float32(6.0 * tissue.tint)


def _blood(rng: np.random.Generator, tissue: Tissue, layout: Layout, free: Mask) -> Plane:
    """Red cells (0..1), in groups within the stroma, paler in their middle."""
    vessels = band_noise(rng, layout.size, 5 / MPP) > 0.9
    allowed = free & vessels & (layout.depth < -0.5)
    discs = _scatter(rng, allowed, tissue.blood, (2.3, 3.3), 0.4)
    return discs * (1 - 0.22 * ndimage.gaussian_filter(discs, 1.4 / MPP, truncate=2.0))
