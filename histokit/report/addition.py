"""What more images of another data set do, as a table, a plot and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from histokit.io.files import atomic
from histokit.metrics.table import Summary
from histokit.report import tables
from histokit.report.data import Report
from histokit.report.figures import ACCENT, INK, LINE, MUTED, STYLE, WARN, WIDTH, as_svg
from histokit.report.page import render, write_page
from histokit.report.section import Section, Value, write_csv

PAGE, TABLE, PICTURE = "index.html", "addition.csv", "addition.png"
HEADER = ("arm", "added", "seeds", "asked", "metric", "mean", "low", "high", "n")
METRIC = "dice"
"""What is drawn; the table holds all."""
ON_PAGE = (LINE, INK, ACCENT, WARN, MUTED)
IN_PICTURE = ("#d9dad4", "#1d2125", "#2a5d84", "#a64b00", "#666d75")
"""Colours of the grid and of the arms in turn."""
MARKERS = "os^Dv"


@dataclass(frozen=True, slots=True)
class Point:
    """An arm with so many added images.

    Attributes:
        arm: its name.
        added: images of the novel data set.
        seeds: trainings that were scored.
        asked: trainings that were asked for.
        n: images that they were scored on.
        summaries: by metric; empty where none was scored.
    """

    arm: str
    added: int
    seeds: int
    asked: int
    n: int
    summaries: Mapping[str, Summary]


def write_addition(folder: Path, title: str, points: Sequence[Point], notes: Sequence[str]) -> Path:
    """Writes addition.csv, addition.png and index.html, and gives the path of the page.

    Raises DataError where `folder` cannot be written.
    """
    write_csv(folder / TABLE, HEADER, [line for point in points for line in _lines(point)])
    with mpl.rc_context(STYLE), atomic(folder / PICTURE) as path:
        _figure(points, IN_PICTURE).savefig(path, format="png", dpi=144)
    report = Report(title, "Dice on the base's test images", notes=notes, parts=[section(points)])
    write_page(folder / PAGE, render(report))
    return folder / PAGE


def section(points: Sequence[Point]) -> Section:
    """Plot and table of the score against the number of images, a line an arm."""
    lines = []
    for point in sorted(points, key=lambda one: one.added):
        cell = tables.cell(point.summaries.get(METRIC))
        seeds = f"{point.seeds} of {point.asked}"
        lines.append(
            [str(point.added), point.arm, cell.mean, cell.interval or tables.NOTHING, seeds,
             str(point.n)]
        )  # fmt: skip
    return Section(
        id="addition",
        title="Images added",
        lead="Points are means; bars, 95% intervals.",
        header=("added", "arm", tables.label(METRIC), "95% interval", "seeds", "images"),
        lines=lines,
        drawing=addition_svg(points),
        foot=f"Other metrics are in the table; the plot is in {PICTURE}.",
        file=TABLE,
    )


def addition_svg(points: Sequence[Point]) -> str:
    """Dice against the number of added images: a line an arm, with intervals."""
    with mpl.rc_context(STYLE):
        return as_svg(_figure(points, ON_PAGE), "addition", "Dice against images added")


def _figure(points: Sequence[Point], colours: Sequence[str]) -> Figure:
    grid, *own_colours = colours
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
    figure = Figure(figsize=(0.7 * WIDTH, 3.6), layout=layout)
    axes = figure.add_subplot()
    axes.set_xlabel("images added")
    axes.set_ylabel(tables.label(METRIC))
    axes.grid(axis="y", color=grid, linewidth=0.5)
    axes.set_axisbelow(True)
    arms = list(dict.fromkeys(point.arm for point in points))
    counts = sorted({point.added for point in points})
    gap = min((b - a for a, b in pairwise(counts)), default=1)
    for number, arm in enumerate(arms):
        shift = 0.04 * gap * (number - (len(arms) - 1) / 2)  # so that bars stand side by side
        own = [point for point in points if point.arm == arm]
        colour = own_colours[number % len(own_colours)]
        _draw(axes, own, shift, colour, MARKERS[number % len(MARKERS)])
    axes.set_xticks(counts)
    if any(METRIC in point.summaries for point in points):
        axes.legend(frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, points: Sequence[Point], shift: float, colour: str, marker: str) -> None:
    known = [(p.added, s) for p in points if (s := p.summaries.get(METRIC)) and s.mean is not None]
    known.sort(key=lambda pair: pair[0])
    if not known:
        return
    at = [added + shift for added, _ in known]
    means = [summary.mean or 0.0 for _, summary in known]
    axes.plot(at, means, color=colour, marker=marker, markersize=4, linewidth=1.2,
              label=points[0].arm)  # fmt: skip
    for x, (_, summary) in zip(at, known, strict=True):
        if summary.low is not None and summary.high is not None:
            axes.plot([x, x], [summary.low, summary.high], color=colour, linewidth=0.9, alpha=0.6)


def _lines(point: Point) -> list[tuple[Value, ...]]:
    start = (point.arm, point.added, point.seeds, point.asked)
    if not point.summaries:
        return [(*start, None, None, None, None, 0)]
    return [(*start, s.metric, s.mean, s.low, s.high, s.n) for s in point.summaries.values()]
