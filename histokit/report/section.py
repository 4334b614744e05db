"""A part of the page that some reports have: a table, a drawing, or both."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histokit.io.files import write_text

Value = str | float | int | None


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, as printed.

    Attributes:
        id: names it in the page.
        title, lead: heading, and what the reader sees below it.
        header: over the columns of `lines`; the first is left-aligned.
        lines: of the table; empty for none.
        drawing: an SVG element of `histokit.report.figures`; empty for none.
        foot: a note below; empty for none.
        file: name of the table beside the page; empty for none.
    """

    id: str
    title: str
    lead: str
    header: Sequence[str] = ()
    lines: Sequence[Sequence[str]] = ()
    drawing: str = ""
    foot: str = ""
    file: str = ""


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Writes a table; None is an empty cell, numbers keep every digit.

    Raises DataError where it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
