"""Tables written row by row: CSV, and Parquet as an extra."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from histokit.errors import PluginError
from histokit.io.files import atomic
from histokit.io.json_stream import json_text

Kind: TypeAlias = Literal["text", "count", "place", "number"]
"""What a column holds; in Parquet strings from a dictionary, int32, float64 and float32."""
AddRows = Callable[[Sequence[Sequence[Any]]], None]
"""Adds rows; None is a value that is missing."""
PARQUET = ".parquet"


@contextmanager
def table(path: Path, columns: Mapping[str, Kind], about: Mapping[str, Any]) -> Iterator[AddRows]:
    """A function that adds rows to a file, which is there when the block ends well.

    Args:
        path: Parquet where it ends so, else CSV in UTF-8.
        columns: what each holds, by name and in order.
        about: in Parquet the metadata ``histokit``, as JSON; CSV has no place for it.

    Raises PluginError where pyarrow is wanted and missing.
    """
    with atomic(path) as temporary:
        if path.suffix == PARQUET:
            with _parquet(temporary, columns, about) as add:
                yield add
        else:
            with temporary.open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle)
                writer.writerow(columns)
                yield writer.writerows


@contextmanager
def _parquet(
    path: Path, columns: Mapping[str, Kind], about: Mapping[str, Any]
) -> Iterator[AddRows]:
    """Writes a row group each time that rows are added."""
    arrow, parquet = require_parquet()
    types = {
        "text": arrow.dictionary(arrow.int32(), arrow.string()),
        "count": arrow.int32(),
        "place": arrow.float64(),
        "number": arrow.float32(),
    }
    fields = [arrow.field(name, types[kind]) for name, kind in columns.items()]
    schema = arrow.schema(fields, metadata={"histokit": json_text(about)})
    with parquet.ParquetWriter(str(path), schema) as writer:

        def add(rows: Sequence[Sequence[Any]]) -> None:
            if rows:
                values = zip(zip(*rows, strict=True), fields, strict=True)
                arrays = [arrow.array(column, field.type) for column, field in values]
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))

        yield add


def require_parquet(
    hint: str = 'pip install "histokit-core[parquet]", or --formats table for CSV',
) -> tuple[Any, Any]:
    """The library pyarrow and its module of Parquet. Raises PluginError, with a hint, where it is
    missing.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise PluginError(
            "pyarrow, which reads and writes Parquet, is not installed",
            found=str(error),
            hint=hint,
        ) from error
