"""Image metrics as a table: what is compared, how, on how many, and what was not computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from histokit.cli import console

if TYPE_CHECKING:
    from histokit.metrics.images import Row


def image_table(rows: Sequence[Row]) -> None:
    """One line a metric, on stdout."""
    lines = []
    for row in rows:
        value = None if row.value is None else f"{row.value:.4f}"
        interval = None if row.low is None else f"{row.low:.4f} to {row.high:.4f}"
        m = row.metric
        lines.append([m.name, m.direction, value, interval, m.unit, row.n, m.variant, row.note])
    columns = ["metric", "better", "value", "95 % interval", "unit", "n", "variant", "note"]
    console.table(lines, columns)
