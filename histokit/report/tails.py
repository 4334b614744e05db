"""The worst-off and best-off images in the report."""

from __future__ import annotations

from pathlib import Path

from histokit.metrics.tails import SHOWN, Tail, Tails
from histokit.report import tables
from histokit.report.section import Section, write_csv

FILE = "tails.csv"
HEADER = ("part", "metric", "mean", "low", "high", "n")


def section(found: Tails) -> Section:
    """Dice and IoU of all, the worst-off and the best-off images."""
    lines = [[part.which, str(len(part.keys)), *_cells(part)] for part in found.parts]
    header = ["images", "n"]
    for name in SHOWN:
        header += [tables.label(name), "95% interval"]
    return Section(
        id="tails",
        title="Worst-off and best-off images",
        lead=f"By Dice; {found.note}.",
        header=header,
        lines=lines,
        foot="Worst and best are told apart by these same scores, so that a tail alone says little "
        "of a method; histokit compare takes the tails of the first run for all.",
        file=FILE,
    )


def write_table(folder: Path, found: Tails) -> None:
    """Writes tails.csv."""
    rows = [
        (part.which, one.metric, one.mean, one.low, one.high, one.n)
        for part in found.parts
        for one in part.summaries.values()
    ]
    write_csv(folder / FILE, HEADER, rows)


def _cells(part: Tail) -> list[str]:
    cells = []
    for name in SHOWN:
        cell = tables.cell(part.summaries.get(name))
        cells += [cell.mean, cell.interval or tables.NOTHING]
    return cells
