"""One image of `synth-he` with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.data.synth.domains import DOMAINS, MPP, Domain, patient
from histokit.data.synth.layout import Layout, plan
from histokit.data.synth.noise import generator
from histokit.data.synth.nuclei import Field, place, tidy
from histokit.data.synth.optics import photograph, transmittance
from histokit.data.synth.stain import concentrations

_MARGIN = int(6 / MPP)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its truth.

    Attributes:
        image: uint8 [H W 3].
        ids: int32 [H W], 1..N, each one 8-connected piece.
    """

    image: NDArray[np.uint8]
    ids: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tissue:
    """A field of tissue before it is stained, with a margin on all sides.

    Attributes:
        domain: as the patient's block shows it.
        layout: where epithelium, stroma and gaps lie.
        field: the nuclei.
        inner: the rows, and columns, of a picture.
    """

    domain: Domain
    layout: Layout
    field: Field
    inner: slice


def grow(rng: np.random.Generator, name: str, number: int, side: int) -> Tissue:
    """Tissue of a domain and a patient for a picture [side side]; the margin lets nuclei cross the
    border of the picture as in a real tile.
    """
    domain = patient(DOMAINS[name], number)
    layout = plan(rng, domain.architecture, side + 2 * _MARGIN)
    field = place(rng, layout, domain.populations, domain.size)
    return Tissue(domain, layout, field, slice(_MARGIN, _MARGIN + side))


def seed(name: str, key: str) -> np.random.Generator:
    """Where the tissue of a key, and then its picture, are drawn from."""
    return generator("synth-he image", name, key)


def paint(name: str, number: int, key: str, side: int) -> Scene:
    """The scene [side side] of a domain, a patient and a key: always the same."""
    rng = seed(name, key)
    tissue = grow(rng, name, number, side)
    densities = concentrations(rng, tissue.domain, tissue.layout, tissue.field)
    inner = tissue.inner
    light = transmittance(densities, tissue.domain.stains)[inner, inner]
    picture = photograph(rng, light, tissue.domain.scanner)
    return Scene(picture, tidy(tissue.field.ids[inner, inner]))
