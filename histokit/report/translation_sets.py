"""Distances between all translations and all real images, and what could not be computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from histokit.metrics.images import Row
from histokit.report import tables
from histokit.report.section import Section, write_csv

FILE = "sets.csv"


def section(rows: Sequence[Row]) -> Section:
    """One line a metric, those without a value with the reason."""
    lines = [
        [
            tables.label(row.metric.name),
            tables.number(row.value, row.metric.unit),
            "higher" if row.metric.direction == "higher" else "lower",
            str(row.n) if row.n else tables.NOTHING,
            row.metric.variant,
            row.note,
        ]
        for row in rows
    ]
    return Section(
        id="sets",
        title="All images together",
        lead="Of the translations as a set against the real images as a set; n is of the smaller.",
        header=["metric", "value", "better", "n", "variant", "note"],
        lines=lines,
        foot="Distances depend on n, encoder and resizing: compare them only where all are equal.",
        file=FILE,
    )


def write_table(folder: Path, rows: Sequence[Row]) -> None:
    """Writes sets.csv."""
    found = [row.as_dict() for row in rows]
    header = ("metric", "variant", "direction", "unit", "value", "n", "note")
    write_csv(folder / FILE, header, [tuple(row[name] for name in header) for row in found])
