"""The neighbouring section of a `synth-he` image in IHC: haematoxylin, and DAB in large nuclei."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histokit.data.synth.domains import MPP, Colour, Domain
from histokit.data.synth.noise import Plane, band_noise, generator, ramp
from histokit.data.synth.nuclei import Nucleus, outline, window
from histokit.data.synth.optics import photograph, transmittance
from histokit.data.synth.scene import Tissue, grow, seed

DAB: Colour = (0.269, 0.568, 0.778)
"""Unit optical-density vector (Ruifrok and Johnston 2001)."""
LARGE = 0.8
"""A nucleus is positive from this share on of the mean area of the domain's first kind."""
APART = 3.0
"""Pixels that the whole section is shifted at most along each axis, where it is not the same."""
BENT = 1.0
"""Deviation in pixels of the bending of such a section."""


def paint_ihc(name: str, number: int, key: str, side: int, *, apart: bool) -> NDArray[np.uint8]:
    """The IHC picture [side side 3] of the tissue that `paint` shows in H&E: always the same.

    Args:
        name: of the domain.
        number: of the patient.
        key: of the image.
        side: rows and columns.
        apart: whether it is shifted and bent a little, as a neighbouring section is.
    """
    tissue = grow(seed(name, key), name, number, side)
    rng = generator("synth-he-ihc image", name, key)
    light = transmittance(_densities(rng, tissue), (tissue.domain.stains[0], DAB))
    if apart:
        light = _moved(generator("synth-he-ihc shift", name, key), light)
    return photograph(rng, light[tissue.inner, tissue.inner], tissue.domain.scanner)


def marker(nucleus: Nucleus, domain: Domain) -> float:
    """How strongly a nucleus is stained by DAB, 0 or 0.5..1: the larger the more, and small ones
    (lymphocytes, spindles) not at all. It can be told from H&E.
    """
    first = domain.populations[0]
    usual = math.pi / 4 * first.length * first.width * domain.size**2
    area = math.pi * nucleus.half[0] * nucleus.half[1] * MPP**2
    return min(0.5 + area / (LARGE * usual) - 1, 1.0) if area > LARGE * usual else 0.0


def _densities(rng: np.random.Generator, tissue: Tissue) -> NDArray[np.float32]:
    """Optical densities [2 H W] of haematoxylin and DAB."""
    layout, matter = tissue.layout, tissue.domain.tissue
    size = layout.size
    clots = band_noise(rng, size, 0.3 / MPP, 1.2 / MPP)
    solid = (1 - layout.empty) * (0.4 + 0.6 * ramp(layout.depth, 0.5))
    cloudy = np.clip(1 + 0.3 * clots, 0, 2)
    blue: Plane = np.asarray(0.5 * matter.tint * solid * cloudy, dtype=np.float32)
    brown: Plane = np.asarray(0.02 * solid, dtype=np.float32)
    for nucleus in tissue.field.nuclei:
        where = window(nucleus.row, nucleus.col, nucleus.reach, size)
        inwards = (1 - outline(nucleus, where)) * np.float32(min(nucleus.half))
        soft = ramp(inwards, nucleus.soft)
        texture = np.clip(1 + 0.15 * clots[where], 0, 2)
        strength = marker(nucleus, tissue.domain)
        blue[where] += (0.55 * nucleus.dye * texture - blue[where]) * soft
        brown[where] += (0.9 * strength * texture - brown[where]) * soft
    uneven = np.exp(matter.uneven * band_noise(rng, size, 16 / MPP))
    return np.maximum(np.stack([blue, brown]) * uneven, 0).astype(np.float32)


def _moved(rng: np.random.Generator, light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light [H W 3], shifted as a whole and bent smoothly."""
    size = light.shape[0]
    rows, columns = (
        grid + rng.uniform(-APART, APART) + BENT * band_noise(rng, size, 12 / MPP)
        for grid in np.mgrid[:size, :size].astype(np.float32)
    )
    planes = [
        ndimage.map_coordinates(light[..., c], (rows, columns), order=1, mode="nearest")
        for c in range(3)
    ]
    return np.stack(planes, -1)
