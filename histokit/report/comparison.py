"""Runs against each other on the images common to them, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from histokit.metrics.paired import Paired
from histokit.metrics.scores import Metric
from histokit.metrics.tails import SHOWN, Tails
from histokit.report import pictures, tables
from histokit.report.frequency import frequency_svg
from histokit.report.page import templates, write_page

PAGE = "index.html"
"""Name of the page where only its folder is given."""

_ROWS = 100
"""Images listed at most."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """One run on the common images.

    Attributes:
        name: its method, with a number where another run has the same.
        method: its method; empty where the folder does not say.
        path: its folder.
        values: by key of the image, in one order for all runs.
        mean: over the common images.
        low, high: bootstrap interval of the mean, or None.
        gap_closed: percent of the way from source-only to oracle, or None.
        n_images: images in its table.
        n_failed: of these, without scores.
    """

    name: str
    method: str
    path: Path
    values: Mapping[str, float]
    mean: float
    low: float | None
    high: float | None
    gap_closed: float | None
    n_images: int
    n_failed: int


@dataclass(frozen=True, slots=True)
class Duel:
    """Two runs by name, how the second differs from the first, and p corrected by Holm."""

    first: str
    second: str
    found: Paired
    p_permutation: float | None
    p_wilcoxon: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs on the images common to them.

    Attributes:
        metric: what is compared.
        entrants: in the order given.
        duels: all pairs of entrants.
        n: common images.
        n_units: groups (patients) that they are of.
        left_out: by reason, the keys of images that are not common.
        verdict: what follows, in plain sentences.
        notes: what a reader must know: left-out images, the rule for empty ones, oddities.
        tails: by entrant, the images that the first entrant does worst and best on; empty where
            there are none.
    """

    metric: Metric
    entrants: Sequence[Entrant]
    duels: Sequence[Duel]
    n: int
    n_units: int
    left_out: Mapping[str, Sequence[str]]
    verdict: str
    notes: Sequence[str]
    tails: Mapping[str, Tails] = field(default_factory=dict)


def write_comparison(path: Path, comparison: Comparison) -> Path:
    """Writes the page and gives its path.

    A `path` that does not end in ``.html`` is a folder, and the page its ``index.html``. It needs
    no other file, no network and no script. Raises DataError where it cannot be written.
    """
    page = path if path.suffix == ".html" else path / PAGE
    write_page(page, render(comparison))
    return page


def render(comparison: Comparison) -> str:
    """The page as text."""
    reach = _reach(comparison.duels)
    return (
        templates()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            metric=tables.label(comparison.metric.name),
            names=[e.name for e in comparison.entrants],
            duels=[(duel, _place(duel.found, reach)) for duel in comparison.duels],
            images=_images(comparison),
            frequency=Markup(_frequency(comparison)),
            tails=tail_lines(comparison.tails),
            tail_names=[tables.label(name) for name in SHOWN],
            tail_note=tail_note(comparison),
            shown=_ROWS,
            unit=comparison.metric.unit,
            number=tables.number,
            p_value=p_value,
            percent=percent,
            signed=signed,
            span=span,
            colours=pictures,
        )
    )


def p_value(value: float | None) -> str:
    """A p as printed; a dash where there is none."""
    if value is None:
        return tables.NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share of the gap as printed."""
    return tables.NOTHING if value is None else f"{value:.0f} %"


def signed(value: float | None, unit: str = "fraction") -> str:
    """A difference as printed, with its sign."""
    if value is None:
        return tables.NOTHING
    text = f"{value:+.3f}" if unit == "fraction" else f"{value:+.4g}"
    return text.replace("-", "−")


def span(low: float | None, high: float | None, unit: str = "fraction") -> str:
    """The interval of a difference as printed, with signs."""
    if low is None or high is None:
        return tables.NOTHING
    return f"{signed(low, unit)} to {signed(high, unit)}"


def tail_note(comparison: Comparison) -> str:
    """How the tails came about; empty where there are none."""
    if not comparison.tails:
        return ""
    first, found = next(iter(comparison.tails.items()))
    return (
        f"picked by the Dice of {first}, {found.note}; another run tends to do better on its worst "
        "images and worse on its best by chance alone"
    )


def tail_lines(tails: Mapping[str, Tails]) -> list[list[str]]:
    """Which images, of whom, and mean and interval of Dice and IoU, part by part."""
    lines = []
    for which in ("all", "worst-off", "best-off"):
        for name, found in tails.items():
            (part,) = [part for part in found.parts if part.which == which]
            cells = [tables.cell(part.summaries.get(metric)) for metric in SHOWN]
            shown = [text for cell in cells for text in (cell.mean, cell.interval)]
            lines.append([f"{which} ({len(part.keys)})", name, *shown])
    return lines


def _frequency(comparison: Comparison) -> str:
    values = {entrant.name: list(entrant.values.values()) for entrant in comparison.entrants}
    return frequency_svg(values, tables.label(comparison.metric.name))


def _reach(duels: Sequence[Duel]) -> float:
    """The largest distance from 0 that is to be drawn."""
    ends = [
        abs(end)
        for duel in duels
        for end in (duel.found.difference, duel.found.low, duel.found.high)
        if end is not None
    ]
    return max(ends, default=0.0) or 1.0


def _place(found: Paired, reach: float) -> tuple[float, float, float]:
    """Where low, difference and high lie on a scale of 0 to 100 with "no difference" at 50."""
    low = found.difference if found.low is None else found.low
    high = found.difference if found.high is None else found.high
    at = [50 + 50 * value / reach for value in (low, found.difference, high)]
    return at[0], at[1], at[2]


def _images(comparison: Comparison) -> list[tuple[str, list[float]]]:
    """The images on which the runs differ most, with a score a run."""
    keys = list(comparison.entrants[0].values)
    rows = [(key, [entrant.values[key] for entrant in comparison.entrants]) for key in keys]
    return sorted(rows, key=lambda row: (min(row[1]) - max(row[1]), row[0]))[:_ROWS]
