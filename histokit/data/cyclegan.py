"""Reader of two domains in the layout of CycleGAN, paired only where file names agree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from histokit.data.cards_pairs import CYCLEGAN
from histokit.data.couples import PairSet, records_of
from histokit.data.layout import check_variant, find_parts
from histokit.data.sides import ab_folders, has_ab, is_ab, turned


@final
@dataclass(frozen=True)
class CycleGan(PairSet):
    """One domain of a CycleGAN folder, opened; the images of the other are its counterparts
    where they have the same name.
    """

    spec = CYCLEGAN

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The domain `variant` (``a`` or ``b``) under `root`. Raises DataError."""
        variant = check_variant(CYCLEGAN, variant)
        parts = find_parts(root, CYCLEGAN, has_ab, is_ab)
        places = [place for part in parts for place in ab_folders(part)]
        if variant == "b":
            places = turned(places)
        alone = tuple(p.second for p in places if p.first is None and p.second is not None)
        return cls(*records_of(places, CYCLEGAN), alone=alone)
