"""How often a number takes which value in each of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from histokit.report.figures import ACCENT, INK, LINE, MUTED, STYLE, WARN, WIDTH, as_svg

COLOURS = (INK, ACCENT, WARN, MUTED)
DASHES = ("-", "--", ":", "-.")
BINS = 12


def frequency_svg(values: Mapping[str, Sequence[float]], name: str) -> str:
    """The outline of a histogram for each run, over the same twelve intervals.

    Args:
        values: by the name of the run.
        name: of the number, as printed.
    """
    everything = np.concatenate([np.asarray(own, float) for own in values.values()])
    edges = np.histogram_bin_edges(everything, bins=BINS)
    with mpl.rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=(0.7 * WIDTH, 2.4), layout=layout)
        axes = figure.add_subplot()
        axes.grid(axis="y", color=LINE, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(name)
        axes.set_ylabel("images")
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        for number, (run, own) in enumerate(values.items()):
            counts, _ = np.histogram(own, bins=edges)
            colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
            axes.stairs(counts, edges, edgecolor=colour, linestyle=dash, linewidth=1.4, label=run)
        axes.legend(frameon=False, fontsize=8)
        return as_svg(figure, "frequency", "How many images have which value, one line a run")
