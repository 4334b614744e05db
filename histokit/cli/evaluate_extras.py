"""What `histokit eval` tells beside the scores: tails, correlations, facts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from histokit.cli import console
from histokit.cli.image_table import image_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from histokit.metrics.correlation import Correlation
    from histokit.metrics.tails import Tails
    from histokit.report.data import Report


def tell_extras(report: Report) -> None:
    """Prints what the report has of them."""
    if report.tails is not None:
        tell_tails(report.tails)
    if report.correlations:
        _tell_correlations(report.correlations)
    if report.sets:
        console.result("\nall images together")
        image_table(report.sets)
    for title, table in report.facts.items():
        console.result(f"\n{title}")
        console.table([[name, f"{value:.4g}"] for name, value in table.items()], ["of", "value"])


def tell_tails(found: Tails) -> None:
    """Prints Dice and IoU of all, the worst-off and the best-off images."""
    from histokit.metrics.tails import SHOWN
    from histokit.report.tables import cell

    rows: list[list[Any]] = []
    for part in found.parts:
        cells = [cell(part.summaries.get(name)) for name in SHOWN]
        rows.append([part.which, len(part.keys), *(t for c in cells for t in (c.mean, c.interval))])
    console.result(f"\nworst-off and best-off by Dice, {found.note}")
    header = [text for name in SHOWN for text in (name, "95 % interval")]
    console.table(rows, ["images", "n", *header])


def extras_json(report: Report) -> dict[str, Any]:
    """The same for the machine-readable result."""
    return {
        "tails": None if report.tails is None else tails_json(report.tails),
        "correlations": [asdict(one) for one in report.correlations],
        "sets": [row.as_dict() for row in report.sets],
        "facts": {title: dict(table) for title, table in report.facts.items()},
    }


def tails_json(found: Tails) -> dict[str, Any]:
    """The tails, each with the keys of its images."""
    return {
        "note": found.note,
        "parts": [
            {
                "which": part.which,
                "images": list(part.keys),
                "metrics": [
                    {"metric": s.metric, "mean": s.mean, "low": s.low, "high": s.high, "n": s.n}
                    for s in part.summaries.values()
                ],
            }
            for part in found.parts
        ],
    }


def _tell_correlations(found: Sequence[Correlation]) -> None:
    from histokit.report.correlation import signed

    console.result("\nwhat the method measures of images, against Dice")
    rows = [[c.measure, c.n, signed(c.pearson), signed(c.spearman)] for c in found]
    console.table(rows, ["measure", "images", "Pearson", "Spearman"])
