"""The parts of the page that only some reports have."""

from __future__ import annotations

from pathlib import Path

from histokit.report import correlation, facts, robustness, tails, translation_sets
from histokit.report.data import Report
from histokit.report.section import Section


def sections(report: Report) -> list[Section]:
    """Those that the report has something for, in the order of the page."""
    found = []
    if report.sets:
        found.append(translation_sets.section(report.sets))
    if report.tails is not None:
        found.append(tails.section(report.tails))
    if report.correlations:
        found.append(correlation.section(report.correlations, report.rows))
    if report.facts:
        found.append(facts.section(report.facts))
    if report.robustness is not None:
        found.append(robustness.section(report.robustness))
    return [*found, *report.parts]


def write_tables(folder: Path, report: Report) -> None:
    """Writes the table of each of them. Raises DataError where it cannot be written."""
    if report.sets:
        translation_sets.write_table(folder, report.sets)
    if report.tails is not None:
        tails.write_table(folder, report.tails)
    if report.correlations:
        correlation.write_table(folder, report.correlations)
    if report.facts:
        facts.write_table(folder, report.facts)
    if report.robustness is not None:
        robustness.write_tables(folder, report.robustness)
