"""Small CSV files that come with data sets."""

from __future__ import annotations

import csv
from pathlib import Path

from histokit.errors import DataError


def read_table(path: Path, *needed: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, by column name in lower case, blanks stripped.

    Raises DataError, naming `path`, when it cannot be read, lacks a `needed` column or has rows
    of another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _broken(path, needed, f"{type(error).__name__}: {error}") from error
    header = [name.strip().casefold() for name in rows[0]] if rows else []
    if not set(needed) <= set(header):
        raise _broken(path, needed, f"the columns {', '.join(header) or '(none)'}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise _broken(path, needed, f"{len(row)} values in row {number}")
    return [dict(zip(header, (value.strip() for value in row), strict=True)) for row in rows[1:]]


def _broken(path: Path, needed: tuple[str, ...], found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected=f"a CSV file with the columns {', '.join(needed)}",
        found=found,
        hint="get the file again",
    )
