"""One value by a paper's formula beside the same by ours."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, TypeAlias

from histokit.io.files import atomic

Means: TypeAlias = Mapping[str, float | None]
"""Our mean of each per-image metric, by name."""
OUR_MEAN = "mean over images, each as histokit scores it"


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A metric of a paper.

    Attributes:
        metric: its name; a class stands after ``:``, a tissue or fold after ``@``.
        paper: the value by the paper's formula; None where that is undefined.
        formula: this formula in words.
        ours: the value by ours; None where that is undefined.
        our_formula: ours in words.
        n: images that the paper's value rests on.
        direction: which way is better.
        unit: ``fraction`` for shares of one, empty for a number without unit.
    """

    metric: str
    paper: float | None
    formula: str
    ours: float | None
    our_formula: str
    n: int
    direction: Literal["higher", "lower"] = "higher"
    unit: str = "fraction"


def write_paper_csv(path: Path, rows: Iterable[PaperRow]) -> None:
    """Writes a line a metric with all that `PaperRow` holds; ``NA`` means undefined."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, [field.name for field in fields(PaperRow)])
        writer.writeheader()
        for row in rows:
            cells = {name: "NA" if cell is None else cell for name, cell in asdict(row).items()}
            writer.writerow(cells)
