"""What a method tells of itself in the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from histokit.report.figures import ACCENT, INK, LINE, STYLE, WIDTH, as_svg
from histokit.report.section import Section, write_csv

FILE = "facts.csv"
HEADER = ("table", "name", "value")
Facts = Mapping[str, Mapping[str, float]]


def section(facts: Facts) -> Section:
    """A bar for each number, and the numbers."""
    numbers = [
        [title, name, f"{value:.4g}"]
        for title, table in facts.items()
        for name, value in table.items()
    ]
    return Section(
        id="facts",
        title="The trained method",
        lead="Numbers that the method tells of itself.",
        header=HEADER,
        lines=numbers,
        drawing=bars_svg(facts),
        file=FILE,
    )


def write_table(folder: Path, facts: Facts) -> None:
    """Writes facts.csv."""
    lines = [(title, name, value) for title, one in facts.items() for name, value in one.items()]
    write_csv(folder / FILE, HEADER, lines)


def bars_svg(facts: Facts) -> str:
    """Axes for each table, with a bar for each of its numbers."""
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.08)
        figure = Figure(figsize=(WIDTH, 2.0 * len(facts)), layout=layout)
        for place, (title, table) in enumerate(facts.items(), start=1):
            axes = figure.add_subplot(len(facts), 1, place)
            axes.set_title(title)
            axes.bar(range(len(table)), list(table.values()), width=0.6, color=ACCENT)
            axes.axhline(0, color=LINE, linewidth=0.8)
            axes.set_xticks(range(len(table)), list(table), color=INK)
            axes.locator_params(axis="y", nbins=4)
            axes.yaxis.set_major_formatter("{x:g}")
        return as_svg(figure, "facts", "Numbers that the method tells of itself")
