"""The standings of a sweep: for each shift, every method's scores over its seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path

from histokit.io.files import write_text
from histokit.io.runs import RunFolder
from histokit.metrics.table import ImageScore, Summary, read_per_image_csv, summarise
from histokit.metrics.tally import describe
from histokit.report.data import ComparisonRow, Report
from histokit.report.page import render, write_page
from histokit.run.sweep import TABLE, Sweep

PAGE, CSV = "leaderboard.html", "leaderboard.csv"
HEADLINE = "dice"
"""The metric by which methods are ranked."""
SHOWN = ("dice", "aji", "pq")
"""Metrics on the page; the table holds all."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A method on a shift.

    Attributes:
        source, target, method: as typed.
        seeds: trainings that were scored.
        asked: trainings that were asked for.
        n: images of the target.
        summaries: by metric, over images whose values are means over the seeds; empty where no
            seed was scored.
    """

    source: str
    target: str
    method: str
    seeds: int
    asked: int
    n: int
    summaries: Mapping[str, Summary]


def standings(sweep: Sweep) -> list[Standing]:
    """A line for each shift and method, best Dice first within a shift, unscored ones last."""
    places: dict[tuple[str, str, str], list[int]] = {}
    for place, cell in enumerate(sweep.cells):
        places.setdefault((cell.source, cell.target, cell.method), []).append(place)
    found = []
    for (source, target, method), own in places.items():
        done = [sweep.done[place] for place in own if place in sweep.done]
        n, summaries = scored(done)
        found.append(Standing(source, target, method, len(done), len(own), n, summaries))
    shifts = list(dict.fromkeys((s.source, s.target) for s in found))
    return sorted(found, key=lambda s: (shifts.index((s.source, s.target)), -_headline(s)))


def scored(runs: Sequence[RunFolder]) -> tuple[int, dict[str, Summary]]:
    """Images, and a summary of each metric over them, of runs that differ in the seed alone."""
    rows = over_seeds([read_per_image_csv(run.report / TABLE) for run in runs])
    metrics = describe(dict.fromkeys(name for row in rows for name in row.values))
    return len(rows), {s.metric: s for s in summarise(rows, metrics=metrics)}


def over_seeds(tables: Sequence[Sequence[ImageScore]]) -> list[ImageScore]:
    """One row an image with the mean of its values over all tables.

    A value is undefined where any table has none; an image that failed in any table failed.
    """
    by_key: dict[str, list[ImageScore]] = {}
    for row in (row for table in tables for row in table):
        by_key.setdefault(row.key, []).append(row)
    return [_mean_row(rows, len(tables)) for rows in by_key.values()]


def write_leaderboard(out: Path, sweep: Sweep, lines: Sequence[Standing]) -> Path:
    """Writes leaderboard.html and leaderboard.csv into `out` and gives the path of the page."""
    write_text(out / CSV, _csv(lines))
    notes = [
        "Values are means over seeds of each image, then over images; intervals draw groups.",
        f"{len(sweep.done)} of {len(sweep.cells)} trainings are finished and scored.",
        f"Other metrics are in {CSV}.",
    ]
    notes += [f"failed: {sweep.cells[p]}: {why}" for p, why in sorted(sweep.failed.items())]
    rows = [
        ComparisonRow(
            f"{s.source} to {s.target}: {s.method} ({s.seeds} of {s.asked} seeds)",
            s.n,
            {name: s.summaries[name] for name in SHOWN if name in s.summaries},
        )
        for s in lines
    ]
    report = Report("Leaderboard", "test images of each target", comparisons=rows, notes=notes)
    write_page(out / PAGE, render(report))
    return out / PAGE


def _headline(line: Standing) -> float:
    summary = line.summaries.get(HEADLINE)
    return -1.0 if summary is None or summary.mean is None else summary.mean


def _mean_row(rows: Sequence[ImageScore], tables: int) -> ImageScore:
    first = rows[0]
    error = next((row.error for row in rows if row.error), "")
    if not error and len(rows) < tables:
        error = "not scored with every seed"
    if error:
        return ImageScore(first.key, first.group, {}, error)
    values: dict[str, float | None] = {}
    for name in first.values:
        found = [value for row in rows if (value := row.values.get(name)) is not None]
        values[name] = fsum(found) / len(found) if len(found) == len(rows) else None
    return ImageScore(first.key, first.group, values)


def _csv(lines: Sequence[Standing]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["source", "target", "method", "seeds", "asked", "metric", "mean", "low", "high", "n"]
    )
    for s in lines:
        start = [s.source, s.target, s.method, s.seeds, s.asked]
        for m in s.summaries.values():
            writer.writerow([*start, m.metric, m.mean, m.low, m.high, m.n])
        if not s.summaries:
            writer.writerow([*start, *[""] * 4, 0])
    return text.getvalue()
