"""The tables of an output folder: what is done, and what failed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histokit.errors import DataError, PartialFailure
from histokit.io.files import atomic, write_json
from histokit.run.cohort.item import Item
from histokit.run.cohort.state import State

SUMMARY, FAILURES = "summary.csv", "failures.json"
"""The table of what is done, and the list of what failed, in the output folder."""


def write_tables(
    out: Path, columns: Sequence[str], items: Sequence[Item], states: Sequence[State]
) -> None:
    """Writes both; removes the list of failures of an earlier time.

    Args:
        out: output folder.
        columns: of the summary's rows; what manifests carry comes behind them, under
            ``manifest.NAME`` where they have a column NAME too.
        items: all there are.
        states: of those that are done or failed.
    """
    carried = list(dict.fromkeys(heading for item in items for heading in item.carried))
    headings = [f"manifest.{name}" if name in columns else name for name in carried]
    by_name = {item.key: item for item in items}
    with (
        atomic(out / SUMMARY) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle)
        writer.writerow([*columns, *headings])
        for state in states:
            if state.status == "done":
                said = by_name[state.name].carried
                own = [_cell(state.row, column) for column in columns]
                writer.writerow([*own, *(said.get(heading, "") for heading in carried)])
    _write_failures(out, states)


def _cell(row: Mapping[str, Any], column: str) -> Any:
    value = row.get(column)
    return "" if value is None else value


def _write_failures(out: Path, states: Sequence[State]) -> None:
    failures = [
        {"image": state.image, "reason": state.reason, "attempts": state.attempts}
        for state in states
        if state.status == "failed"
    ]
    if failures:
        write_json(out / FAILURES, failures)
    else:
        (out / FAILURES).unlink(missing_ok=True)


def left_lines(items: Sequence[Item], states: Sequence[State]) -> list[str]:
    """What is to be said of the items that have no state yet: one line, or none."""
    left = len(items) - len(states)
    return [f"{left} of {len(items)} images are left to other shards"] if left else []


def tell_failures(failed: int, total: int, out: Path) -> None:
    """Raises PartialFailure where some images failed, DataError where all did."""
    listed = str(out / FAILURES)
    if failed and failed == total:
        raise DataError(f"{failed} of {total} images failed; none is done", found=listed)
    if failed:
        raise PartialFailure(
            f"{failed} of {total} images failed; the others are done", found=listed
        )
