"""Tables say what they were given, in CSV and in Parquet."""

from __future__ import annotations

import csv
import json
import sys

import pytest

from histokit.errors import PluginError
from histokit.io.tables import table

COLUMNS = {"name": "text", "id": "count", "x": "place", "area": "number"}
ROWS = [["a, b", 1, 100_000.25, 2.5], ["é", 70_000, 0.0, None], [None, None, 1.0, 1.0]]


def written(path, about=()):
    with table(path, COLUMNS, dict(about)) as add:
        add(ROWS[:2])
        add([])
        add(ROWS[2:])
    return path


def test_csv_leaves_missing_values_empty(tmp_path):
    with written(tmp_path / "a b.csv").open(newline="", encoding="utf-8") as handle:
        found = list(csv.reader(handle))
    assert found[0] == list(COLUMNS)
    assert found[1:] == [
        ["a, b", "1", "100000.25", "2.5"],
        ["é", "70000", "0.0", ""],
        ["", "", "1.0", "1.0"],
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_failure_leaves_no_file(tmp_path, name):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")

    def broken():
        with table(tmp_path / name, COLUMNS, {}) as add:
            add(ROWS)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert not list(tmp_path.iterdir())


def test_parquet_has_types_and_metadata(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    found = parquet.read_table(written(tmp_path / "é.parquet", {"mpp": [0.25, 0.5]}))
    assert json.loads(found.schema.metadata[b"histokit"]) == {"mpp": [0.25, 0.5]}
    assert found.column_names == list(COLUMNS)
    types = [arrow.int32(), arrow.float64(), arrow.float32()]
    assert found.schema.types[1:] == types
    assert [list(row.values()) for row in found.to_pylist()] == ROWS


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginError, match="pyarrow") as error:
        written(tmp_path / "a.parquet")
    assert "histokit-core[parquet]" in error.value.hint
    assert not list(tmp_path.iterdir())
