"""The ledger of pseudo-labels: what was kept of each image and how far it can be trusted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.interfaces import Instances, Maps
from histokit.io.files import atomic, write_json
from histokit.postprocess.displacement import displacement

AGREEMENT, TRANSLATED = "agreement", "translated"
"""Names of extra maps that the ledger reads: [1 1 H W] in 0..1, how far several networks agree; and
[1 C H W], the image as the network saw it."""
BINS = 10
COLUMNS = ("image", "found", "kept", "dropped", "confidence", "agreement", "shift")


@dataclass(frozen=True, slots=True)
class Line:
    """One image.

    Attributes:
        image: the file.
        scores: confidence of each object that was found.
        kept: how many of them are written.
        agreement: mean agreement of the networks; None where there is one.
        shift: pixels by which the image the network saw lies beside the file; None where it saw
            the file itself.
    """

    image: str
    scores: tuple[float, ...]
    kept: int
    agreement: float | None
    shift: float | None

    @property
    def confidence(self) -> float | None:
        """Mean of the scores."""
        return float(np.mean(self.scores)) if self.scores else None


def line_of(
    path: Path, image: NDArray[np.uint8], maps: Maps, found: Instances, kept: Instances
) -> Line:
    """The line of an image.

    Args:
        path: its file.
        image: uint8 [H W C], at the size of the maps.
        maps: of the whole image.
        found: all objects.
        kept: those that are written.
    """
    agreement = maps.extra.get(AGREEMENT)
    seen = maps.extra.get(TRANSLATED)
    shift = None
    if seen is not None:
        shift = displacement(image.mean(axis=2), seen[0].mean(0).double().numpy())
    return Line(
        str(path),
        tuple(found.scores.values()),
        len(kept.scores),
        None if agreement is None else float(agreement.mean()),
        shift,
    )


def write_ledger(out: Path, lines: Sequence[Line]) -> dict[str, Any]:
    """Writes ledger.csv and ledger.json and gives what the latter says: the totals."""
    with (
        atomic(out / "ledger.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for line in lines:
            count = len(line.scores)
            values = (line.confidence, line.agreement, line.shift)
            shown = ["" if value is None else f"{value:.4g}" for value in values]
            writer.writerow([line.image, count, line.kept, count - line.kept, *shown])
    totals = _totals(lines)
    write_json(out / "ledger.json", totals)
    return totals


def in_words(totals: dict[str, Any]) -> str:
    """The totals in one line."""
    parts = [f"{totals['found']} objects found, {totals['dropped']} dropped"]
    for name, unit in (("confidence", ""), ("agreement", ""), ("shift", " px")):
        if totals[name] is not None:
            parts.append(f"mean {name} {totals[name]:.3g}{unit}")
    return "ledger: " + ", ".join(parts)


def _totals(lines: Sequence[Line]) -> dict[str, Any]:
    scores = [score for line in lines for score in line.scores]
    kept = sum(line.kept for line in lines)
    counts, edges = np.histogram(scores, BINS, (0.0, 1.0))
    return {
        "images": len(lines),
        "found": len(scores),
        "kept": kept,
        "dropped": len(scores) - kept,
        "confidence": _mean(scores),
        "agreement": _mean(line.agreement for line in lines),
        "shift": _mean(line.shift for line in lines),
        "histogram": {"edges": edges.round(3).tolist(), "objects": counts.tolist()},
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
