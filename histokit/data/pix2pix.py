"""Reader of pairs in the layout of pix2pix: both images side by side in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from histokit.data.cards_pairs import PIX2PIX
from histokit.data.couples import PairSet, records_of
from histokit.data.layout import check_variant, find_parts, plain
from histokit.data.sides import SPLITS, has_parts, side_by_side


@final
@dataclass(frozen=True)
class Pix2Pix(PairSet):
    """Pairs side by side, opened."""

    spec = PIX2PIX

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The pairs under `root`, from left to right or from right to left. Raises DataError."""
        variant = check_variant(PIX2PIX, variant)
        parts = find_parts(root, PIX2PIX, has_parts, lambda f: plain(f.name) in SPLITS)
        places = [place for part in parts for place in side_by_side(part)]
        return cls(*records_of(places, PIX2PIX), mirrored=variant == "b")
