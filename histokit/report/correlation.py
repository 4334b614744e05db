"""What a method measures of images beside their score in the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from histokit.metrics.correlation import Correlation, both_of
from histokit.metrics.table import ImageScore
from histokit.report import tables
from histokit.report.figures import ACCENT, INK, LINE, STYLE, WIDTH, as_svg
from histokit.report.section import Section, write_csv

FILE = "correlation.csv"
HEADER = ("measure", "score", "n", "pearson", "spearman", "slope", "intercept")
COLUMNS = 4


def section(found: Sequence[Correlation], rows: Sequence[ImageScore]) -> Section:
    """Each measure against the score: coefficients, and a dot for each image."""
    score = tables.label(found[0].score)
    return Section(
        id="correlation",
        title=f"What the method measures, against {score}",
        lead="Over images, each the mean over its windows. A correlation is no cause.",
        header=("measure", "images", "Pearson", "Spearman"),
        lines=[[c.measure, str(c.n), signed(c.pearson), signed(c.spearman)] for c in found],
        drawing=scatter_svg(found, rows),
        file=FILE,
    )


def write_table(folder: Path, found: Sequence[Correlation]) -> None:
    """Writes correlation.csv."""
    lines = [(c.measure, c.score, c.n, c.pearson, c.spearman, *(c.line or ("", ""))) for c in found]
    write_csv(folder / FILE, HEADER, lines)


def scatter_svg(found: Sequence[Correlation], rows: Sequence[ImageScore]) -> str:
    """A plot for each measure: a dot an image, the score upwards, and the line of least squares."""
    lines = -(-len(found) // COLUMNS)
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=(WIDTH, 2.0 * lines), layout=layout)
        for place, one in enumerate(found, start=1):
            axes = figure.add_subplot(lines, COLUMNS, place)
            axes.set_title(one.measure)
            if place % COLUMNS == 1:
                axes.set_ylabel(tables.label(one.score))
            _draw(axes, one, rows)
        return as_svg(figure, "correlation", "Measures of every image against its score")


def _draw(axes: Axes, one: Correlation, rows: Sequence[ImageScore]) -> None:
    first, second = both_of(rows, one.measure, one.score).T
    axes.grid(color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.locator_params(nbins=4)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.plot(first, second, "o", color=INK, alpha=0.55, markersize=3, markeredgewidth=0)
    if one.line is not None:
        ends = np.array([first.min(), first.max()])
        axes.plot(ends, one.line[0] * ends + one.line[1], color=ACCENT, linewidth=1.2)


def signed(value: float | None) -> str:
    """A coefficient as printed; a dash where there is none."""
    if value is None:
        return tables.NOTHING
    return f"{value:+.2f}".replace("-", "−")
