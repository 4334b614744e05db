"""The scores under perturbations in the report: a table, a plot, and files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from histokit.io.files import write_json
from histokit.metrics.robustness import Level, Robustness, area, relative_drop
from histokit.report import tables
from histokit.report.figures import ACCENT, INK, LINE, MUTED, STYLE, WARN, WIDTH, as_svg
from histokit.report.section import Section, Value, write_csv

TABLE, VALUES = "robustness.csv", "robustness.json"
HEADER = (
    "perturbation", "level", "change", "metric", "mean", "low", "high", "n", "n_skipped",
    "n_failed", "relative_drop", "area",
)  # fmt: skip
SHOWN = ("dice", "aji", "pq")
"""What is drawn; the files hold all."""
LOOKS = ((ACCENT, "o", "-"), (WARN, "s", "--"), (INK, "^", "-."), (MUTED, "D", ":"))
"""Colour, marker and dashes of each line."""


def section(found: Robustness) -> Section:
    """The plot, and each level with its scores and the share that is lost."""
    header = ["perturbation", "level"]
    for name in SHOWN:
        header += [tables.label(name), "95% interval", "drop"]
    return Section(
        id="robustness",
        title="Robustness",
        lead="The same images at rising levels of each perturbation; level 0 is the images as "
        "they are.",
        header=header,
        lines=lines(found),
        drawing=robustness_svg(found),
        foot="Drop: share of the score at level 0 that is lost. Area: under the mean over levels "
        "scaled to 0 to 1, by trapezoids; it is the score itself where nothing is lost. "
        f"Which way stain and brightness go is drawn for each image (seed {found.seed}).",
        file=TABLE,
    )


def lines(found: Robustness) -> list[list[str]]:
    """Each level as printed, and the area below the levels of a perturbation."""
    printed = []
    for kind, levels in found.kinds.items():
        for place, one in enumerate(levels):
            line = [f"{kind}: {one.change}{_failures(one)}", str(one.level)]
            for name in SHOWN:
                cell = tables.cell(one.summaries.get(name))
                drop = relative_drop(levels, name, place)
                line += [cell.mean, cell.interval or tables.NOTHING, percent(drop)]
            printed.append(line)
        areas = [[tables.number(area(levels, name)), "", ""] for name in SHOWN]
        printed.append([f"{kind}: area", "", *(cell for cells in areas for cell in cells)])
    return printed


def write_tables(folder: Path, found: Robustness) -> None:
    """Writes robustness.csv and robustness.json. Raises DataError where it cannot."""
    rows: list[tuple[Value, ...]] = []
    for kind, levels in found.kinds.items():
        for place, one in enumerate(levels):
            for name, s in one.summaries.items():
                lost = relative_drop(levels, name, place), area(levels, name)
                counts = s.n, s.n_skipped, s.n_failed
                start = kind, one.level, one.change, name
                rows.append((*start, s.mean, s.low, s.high, *counts, *lost))
    write_csv(folder / TABLE, HEADER, rows)
    write_json(folder / VALUES, as_dict(found))


def as_dict(found: Robustness) -> dict[str, Any]:
    """All scores as plain values."""
    return {
        "seed": found.seed,
        "perturbations": {
            kind: {
                "area": {name: area(levels, name) for name in found.metrics},
                "levels": [_level(levels, place, found.metrics) for place in range(len(levels))],
            }
            for kind, levels in found.kinds.items()
        },
    }


def robustness_svg(found: Robustness) -> str:
    """A plot a metric: the mean over levels, a line a perturbation, with intervals."""
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
        figure = Figure(figsize=(WIDTH, 3.0), layout=layout)
        for place, name in enumerate(SHOWN, start=1):
            axes = figure.add_subplot(1, len(SHOWN), place)
            axes.set_title(tables.label(name))
            axes.set_xlabel("level")
            axes.grid(axis="y", color=LINE, linewidth=0.5)
            axes.set_axisbelow(True)
            axes.locator_params(axis="x", integer=True)
            for (kind, levels), look in zip(found.kinds.items(), LOOKS, strict=False):
                _draw(axes, kind, levels, name, look)
        figure.axes[0].legend(frameon=False, fontsize=8)
        return as_svg(figure, "robustness", "Scores over levels of each perturbation")


def percent(share: float | None) -> str:
    """A share as printed; a dash where there is none."""
    if share is None:
        return tables.NOTHING
    return f"{round(100 * share, 1) + 0.0:.1f} %".replace("-", "−")  # there is no minus nought


def _failures(one: Level) -> str:
    """How many images failed, in brackets; empty where none did."""
    failed = max((s.n_failed for s in one.summaries.values()), default=0)
    return f" ({failed} failed)" if failed else ""


def _level(levels: Sequence[Level], place: int, metrics: Sequence[str]) -> dict[str, Any]:
    one = levels[place]
    return {
        "level": one.level,
        "change": one.change,
        "metrics": [
            {
                "metric": name,
                "mean": (s := one.summaries[name]).mean,
                "low": s.low,
                "high": s.high,
                "n": s.n,
                "n_skipped": s.n_skipped,
                "n_failed": s.n_failed,
                "relative_drop": relative_drop(levels, name, place),
            }
            for name in metrics
        ],
    }


def _draw(
    axes: Axes, kind: str, levels: Sequence[Level], metric: str, look: tuple[str, str, str]
) -> None:
    """One line; it breaks where a level has no score."""
    colour, marker, dashes = look
    known = [(one.level, one.summaries[metric]) for one in levels]
    axes.plot(
        [level for level, _ in known],
        [math.nan if s.mean is None else s.mean for _, s in known],
        color=colour,
        marker=marker,
        linestyle=dashes,
        markersize=4,
        linewidth=1.2,
        label=kind,
    )
    for level, s in known:
        if s.low is not None and s.high is not None:
            axes.plot([level, level], [s.low, s.high], color=colour, linewidth=0.9, alpha=0.5)
