"""The three organs and scanners that `synth-he` imitates, as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np

from histokit.data.synth.noise import generator

MPP = 0.25
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Architecture:
    """How epithelium lies in stroma; lengths in µm.

    Attributes:
        kind: ``nests`` (irregular islands) or ``glands`` (rings around a lumen).
        spacing: distance between islands or gland centres.
        radius: radius of a gland; for nests, the half width of an island.
        wall: height of the epithelium between the border and the lumen.
        stretch: elongation of glands.
        gaps: share of white gaps in the stroma, about 0..0.2.
    """

    kind: Literal["nests", "glands"]
    spacing: float
    radius: float
    wall: float = inf
    stretch: float = 1.0
    gaps: float = 0.05


@dataclass(frozen=True, slots=True)
class Population:
    """One kind of nuclei; lengths in µm, depths measured inwards from the epithelial border.

    Attributes:
        length: mean long axis.
        width: mean short axis.
        depth: the belt of depths that it lives in; negative is stroma.
        density: wanted nuclei in 1000 µm² of that belt.
        heading: long axis at random, across the border (``normal``) or along the fibres.
        dye: mean haematoxylin of its chromatin (optical density).
        spread: relative deviation of its two axes.
        uneven: relative deviation of the dye from nucleus to nucleus.
        wobble: amplitude of the outline's harmonics, relative to the radius.
        lobed: share of irregular nuclei.
        vesicular: share of pale nuclei with a dark rim and a nucleolus.
        overlap: share of an earlier nucleus that this kind may cover.
        clumped: whether it gathers in groups.
    """

    length: float
    width: float
    depth: tuple[float, float]
    density: float
    heading: Literal["free", "normal", "fibre"]
    dye: float
    spread: float = 0.13
    uneven: float = 0.2
    wobble: float = 0.05
    lobed: float = 0.1
    vesicular: float = 0.0
    overlap: float = 0.06
    clumped: bool = False


@dataclass(frozen=True, slots=True)
class Tissue:
    """What lies between the nuclei: optical densities, and objects in a field of 64 × 64 µm.

    Attributes:
        stroma: eosin of collagen.
        cytoplasm: eosin of epithelial cells.
        tint: haematoxylin of cytoplasm.
        uneven: relative slow variation of the section's thickness and staining.
        blood: mean number of red cells.
        debris: mean number of dark crumbs (fragments of nuclei, pigment).
        ghosts: mean number of blurred shadows of nuclei out of the plane, not annotated.
        smears: mean number of dense eosinophilic bodies.
        mucin: mean number of goblet vacuoles.
    """

    stroma: float
    cytoplasm: float
    tint: float
    uneven: float
    blood: float
    debris: float
    ghosts: float
    smears: float
    mucin: float = 0.0


@dataclass(frozen=True, slots=True)
class Scanner:
    """What the microscope and camera do to the light.

    Attributes:
        white: colour of empty glass, 0..255.
        gamma: exponent on transmitted light; above 1 darkens and adds contrast.
        blur: sigma of the point spread in µm.
        veil: share of stray light, which lowers the contrast.
        sharpen: weight of the unsharp mask.
        noise: deviation of the sensor noise in grey levels.
        quality: JPEG quality.
    """

    white: Colour
    gamma: float
    blur: float
    veil: float
    sharpen: float
    noise: float
    quality: int


@dataclass(frozen=True, slots=True)
class Domain:
    """One organ on one scanner.

    Attributes:
        name: the variant's word.
        stains: unit optical-density vectors (R, G, B) of haematoxylin, eosin and red cells.
        architecture: how epithelium lies in stroma.
        populations: the nuclei, the first ones placed first.
        tissue: what lies between them.
        scanner: how it is imaged.
        size: factor on all nuclear lengths.
    """

    name: str
    stains: tuple[Colour, Colour, Colour]
    architecture: Architecture
    populations: tuple[Population, ...]
    tissue: Tissue
    scanner: Scanner
    size: float = 1.0


def _unit(red: float, green: float, blue: float) -> Colour:
    norm = float(np.sqrt(red**2 + green**2 + blue**2))
    return red / norm, green / norm, blue / norm


def _breast() -> Domain:
    epithelium = Population(
        10.0, 7.8, (1.0, inf), 7.5, "free", 0.60, lobed=0.2, uneven=0.34, vesicular=0.45
    )
    spindle = Population(13.0, 3.2, (-inf, -1.0), 2.4, "fibre", 0.72, uneven=0.25)
    lymphocyte = Population(
        7.0, 6.4, (-inf, 0.5), 3.5, "free", 0.88, spread=0.08, wobble=0.03, clumped=True
    )
    return Domain(
        "breast",
        (_unit(0.61, 0.71, 0.34), _unit(0.14, 0.90, 0.40), _unit(0.10, 0.80, 0.58)),
        Architecture("nests", spacing=34, radius=9, gaps=0.06),
        (epithelium, lymphocyte, spindle),
        Tissue(0.15, 0.17, 0.14, 0.2, blood=3, debris=7, ghosts=6, smears=3),
        Scanner((245, 243, 246), 1.0, blur=0.18, veil=0.0, sharpen=0.5, noise=2.0, quality=90),
    )


def _kidney() -> Domain:
    tubule = Population(
        7.4, 6.7, (2.0, 8.0), 9.5, "free", 0.44, lobed=0.02, uneven=0.27, vesicular=0.45,
        wobble=0.03, overlap=0.0,
    )  # fmt: skip
    spindle = Population(10.5, 2.8, (-inf, -0.3), 4.0, "fibre", 0.46, wobble=0.04)
    lymphocyte = Population(
        6.4, 6.0, (-inf, -0.6), 2.0, "free", 0.56, spread=0.08, wobble=0.03, clumped=True
    )
    return Domain(
        "kidney",
        (_unit(0.76, 0.59, 0.26), _unit(0.36, 0.83, 0.41), _unit(0.16, 0.74, 0.65)),
        Architecture("glands", spacing=43, radius=21, wall=11.5, stretch=1.15, gaps=0.09),
        (tubule, spindle, lymphocyte),
        Tissue(0.11, 0.17, 0.075, 0.22, blood=3, debris=4, ghosts=6, smears=3),
        Scanner((212, 225, 241), 0.9, blur=0.34, veil=0.1, sharpen=0.0, noise=3.0, quality=80),
    )


def _colon() -> Domain:
    crypt = Population(
        11.5, 5.2, (0.8, 9.0), 17.0, "normal", 0.66, lobed=0.12, uneven=0.3, vesicular=0.3,
        overlap=0.2,
    )  # fmt: skip
    plasma = Population(
        7.0, 6.0, (-inf, -1.0), 5.5, "free", 0.78, spread=0.1, uneven=0.25, clumped=True
    )
    spindle = Population(
        12.0, 3.0, (-inf, -0.6), 3.0, "fibre", 0.7, uneven=0.25, wobble=0.06, overlap=0.12
    )
    return Domain(
        "colon",
        (_unit(0.60, 0.70, 0.38), _unit(0.15, 0.87, 0.47), _unit(0.10, 0.78, 0.62)),
        Architecture("glands", spacing=66, radius=27, wall=20, stretch=1.35, gaps=0.03),
        (crypt, plasma, spindle),
        Tissue(0.30, 0.27, 0.17, 0.22, blood=6, debris=10, ghosts=8, smears=7, mucin=7),
        Scanner((240, 231, 236), 1.08, blur=0.2, veil=0.0, sharpen=0.2, noise=2.5, quality=85),
    )


DOMAINS = {domain.name: domain for domain in (_breast(), _kidney(), _colon())}


def patient(domain: Domain, number: int) -> Domain:
    """The domain as one patient's block shows it: other stain strength, hue and nuclear size."""
    rng = generator("synth-he patient", domain.name, number)
    dye, pink, size = np.exp(rng.normal(0, (0.09, 0.11, 0.05))).tolist()
    tilt = rng.normal(0, 0.018, (3, 3))
    stains = tuple(
        _unit(*np.maximum(np.add(stain, move), 0.02).tolist())
        for stain, move in zip(domain.stains, tilt, strict=True)
    )
    kinds = tuple(replace(kind, dye=kind.dye * dye) for kind in domain.populations)
    tissue = replace(
        domain.tissue,
        stroma=domain.tissue.stroma * pink,
        cytoplasm=domain.tissue.cytoplasm * pink,
        tint=domain.tissue.tint * dye,
    )
    return replace(
        domain,
        stains=(stains[0], stains[1], stains[2]),
        populations=kinds,
        tissue=tissue,
        size=domain.size * size,
    )
