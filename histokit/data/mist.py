"""Reader of MIST: H&E patches with the same place in HER2, ER, PR or Ki67."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

from histokit.data.cards_pairs import EXPECTED, MIST
from histokit.data.couples import PairSet, record_of, records_of
from histokit.data.layout import check_variant, find_parts, plain
from histokit.data.sides import Place, ab_folders, has_ab, is_ab, require_pairs
from histokit.interfaces.dataset import Record


@final
@dataclass(frozen=True)
class Mist(PairSet):
    """One stain of MIST, opened, with the published parts.

    Patches were dealt to the parts at random, so the same slide is in both: `verify` says so, and
    the variants ``-slides`` leave the parts aside, so that whole slides can be dealt anew. The
    slide is taken to be the file name without the numbers at its end. Sections are neighbours, so
    pixels do not agree exactly.
    """

    spec = MIST

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """One stain of the data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(MIST, variant)
        stain, _, anew = variant.partition("-")
        parts = find_parts(root, MIST, lambda f: has_ab(f) and _is_of(f, stain), is_ab)
        places = [place for part in parts for place in ab_folders(part)]
        require_pairs(places, MIST)
        records, others = records_of(places, MIST, _record)
        if anew:
            records = tuple(replace(record, split=None) for record in records)
        return cls(records, others, expected=EXPECTED[f"mist@{variant}"])


def _is_of(folder: Path, stain: str) -> bool:
    """Whether a folder, or the one above it, has the name of a stain, as ``HER2-004`` has."""
    names = (plain(folder.name), plain(folder.parent.name))
    return any(re.match(rf"{stain}(?![a-z])", name) for name in names)


def _record(place: Place) -> Record:
    record = record_of(place)
    slide = re.sub(r"(_\d+)+$", "", place.name)
    return replace(record, group=slide)
