"""One image of `synth-he` with its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.data.synth.domains import DOMAINS, MPP, patient
from histokit.data.synth.layout import plan
from histokit.data.synth.noise import generator
from histokit.data.synth.nuclei import place, tidy
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


def paint(name: str, number: int, key: str, side: int) -> Scene:
    """The scene [side side] of a domain, a patient and a key: always the same.

    The field is made with a margin and cut, so nuclei cross its border as in a real tile.
    """
    domain = patient(DOMAINS[name], number)
    rng = generator("synth-he image", name, key)
    layout = plan(rng, domain.architecture, side + 2 * _MARGIN)
    field = place(rng, layout, domain.populations, domain.size)
    densities = concentrations(rng, domain, layout, field)
    inner = slice(_MARGIN, _MARGIN + side)
    light = transmittance(densities, domain.stains)[inner, inner]
    return Scene(photograph(rng, light, domain.scanner), tidy(field.ids[inner, inner]))
