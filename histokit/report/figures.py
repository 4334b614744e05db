"""Drawings of the report as SVG whose colours follow the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from histokit.report.data import Curve
from histokit.report.tables import label

INK, MUTED, LINE, ACCENT, WARN = "#010101", "#020202", "#030303", "#040404", "#050505"
"""What drawings are coloured with; `as_svg` puts the variables of the page in their place."""
_PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    WARN: "var(--warn)",
}

_POINTS = 200
"""Points of a curve, and dots of a strip, that are drawn at most."""

WIDTH = 10.4
"""Inches at 72 pixels; the width of the page."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.formatter.use_mathtext": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
"""How matplotlib draws for the page."""


def curves_svg(curves: Mapping[str, Curve]) -> str:
    """Each curve in axes of its own, three in a row.

    A curve of more than 200 points is drawn as the means of 200 stretches with a band from the
    least to the greatest value of each. Values that are not finite are left out.
    """
    columns = min(3, max(2, len(curves)))
    lines = -(-len(curves) // columns)
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
        figure = Figure(figsize=(WIDTH, 1.9 * lines), layout=layout)
        for place, (name, curve) in enumerate(curves.items(), start=1):
            axes = figure.add_subplot(lines, columns, place)
            axes.set_title(name)
            _draw_curve(axes, curve)
        return as_svg(figure, "curves", "Values over the steps of training")


def distribution_svg(values: Mapping[str, Sequence[float]], units: Mapping[str, str]) -> str:
    """One strip a metric: a dot for each image, box from quartile to quartile, line at the median.

    Of more than 200 images, 200 evenly spaced ones in order of value are drawn as dots.
    """
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
        figure = Figure(figsize=(WIDTH, 0.25 + 0.5 * len(values)), layout=layout)
        for place, (name, found) in enumerate(values.items(), start=1):
            axes = figure.add_subplot(len(values), 1, place)
            fraction = units.get(name) == "fraction"
            _draw_strip(axes, np.sort(np.asarray(found, float)), fraction)
            axes.set_ylabel(label(name), rotation=0, ha="right", va="center", color=INK)
            if fraction and place < len(values):
                axes.tick_params(labelbottom=False)
        return as_svg(figure, "distribution", "Scores of every image, one strip a metric")


def _draw_curve(axes: Axes, curve: Curve) -> None:
    """A line, with a band where many values stand for one point."""
    steps, values = np.asarray(curve.steps, float), np.asarray(curve.values, float)
    finite = np.isfinite(steps) & np.isfinite(values)
    steps, values = steps[finite], values[finite]
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.locator_params(nbins=5)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    if values.size == 0:
        axes.text(0.5, 0.5, "no finite value", ha="center", va="center", transform=axes.transAxes)
        return
    if values.size > _POINTS:
        edges = np.linspace(0, values.size, _POINTS + 1).astype(int)[:-1]
        low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
        counts = np.diff(edges, append=values.size)
        steps, values = (
            np.add.reduceat(steps, edges) / counts,
            np.add.reduceat(values, edges) / counts,
        )
        axes.fill_between(steps, low, high, color=ACCENT, alpha=0.18, linewidth=0)
    axes.plot(steps, values, color=ACCENT, linewidth=1.2, marker="o" if values.size == 1 else "")


def _draw_strip(axes: Axes, values: NDArray[np.float64], fraction: bool) -> None:
    """Dots, spread by a fixed pattern so that equal values stay apart, over a quartile box."""
    if fraction:
        axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    if values.size == 0:
        return
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    axes.fill_betweenx([-0.62, 0.62], lower, upper, color=ACCENT, alpha=0.16, linewidth=0)
    axes.plot([median, median], [-0.62, 0.62], color=ACCENT, linewidth=1.6)
    shown = values
    if values.size > _POINTS:
        shown = values[np.linspace(0, values.size - 1, _POINTS).round().astype(int)]
    spread = 0.45 * (2 * (np.arange(shown.size) * 0.618034 % 1) - 1)
    axes.plot(shown, spread, "o", color=INK, alpha=0.55, markersize=3, markeredgewidth=0)


def as_svg(figure: Figure, name: str, description: str) -> str:
    """A figure drawn in `STYLE` as SVG in the page's colours, with no address outside it."""
    buffer = io.StringIO()
    nobody = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has the font
        figure.savefig(buffer, format="svg", metadata=nobody, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    box = re.search(r'viewBox="[^"]*"', text)
    head = f'<svg class="figure" role="img" aria-label="{description}" {box[0] if box else ""}>'
    text = head + text[text.index(">") + 1 :]
    for stand_in, colour in _PAGE_COLOURS.items():
        text = text.replace(stand_in, colour)
    return text.strip()
