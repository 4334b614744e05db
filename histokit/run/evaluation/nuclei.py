"""Who counts the nuclei of source, translation and real image: one segmenter, told by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from histokit.errors import HistokitError
from histokit.interfaces import Segmenter
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.machine import Machine
from histokit.run.models import load_segmenter

NUCLEI = "otsu-hed"
"""The default: Otsu's threshold on haematoxylin, which no translator was trained with."""


@final
@dataclass(frozen=True, slots=True)
class NucleiFinder:
    """A segmenter for all images of a pair.

    Attributes:
        name: as typed, for the report.
        note: what a reader must know of it.
    """

    name: str
    note: str
    segmenter: Segmenter
    machine: Machine

    def find(self, image: NDArray[np.uint8]) -> NDArray[np.int32]:
        """The nuclei of an image [H W 3], int32 [H W]."""
        maps = segment_image(self.segmenter, image, self.machine, Windows())
        return decode(self.segmenter, maps).ids


def nuclei_finder(name: str, machine: Machine, runs: Path) -> tuple[NucleiFinder | None, str]:
    """The segmenter, and a line about it or about why there is none.

    Args:
        name: a method or run; ``none`` for no segmenter; empty for `NUCLEI` where it is there.
        machine: where it runs.
        runs: where run folders are looked for.

    Raises what `load_segmenter` raises where a segmenter was named.
    """
    if name == "none":
        return None, "nuclei are not counted"
    try:
        segmenter = load_segmenter(name or NUCLEI, machine, runs)
    except HistokitError as error:
        if name:
            raise
        return None, f"nuclei are not counted: {error.what}"
    note = f"nuclei of source, translation and reference are found by {name or NUCLEI}"
    if not name:
        note += ", on haematoxylin: what dense DAB covers is not seen"
    return NucleiFinder(name or NUCLEI, note, segmenter, machine), note
