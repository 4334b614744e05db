"""`histokit bench`, typed."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from histokit.cli.app import app


def type_(*words: str):
    fast = ("--size", "32", "--repeats", "1", "--warmup", "0", "--device", "cpu")
    return CliRunner().invoke(app, ["bench", *words, *fast], prog_name="histokit")


def test_the_table_the_reasons_and_the_comparison(tmp_path):
    kept = str(tmp_path / "kept.json")
    first = type_("otsu-hed", "mdcl", "--out", kept)
    assert first.exit_code == 0, first.output
    head, columns, row, refused, _, _, why = first.stdout.splitlines()
    assert "1 calls after 0" in head
    assert "waiting" in columns
    assert "times faster" not in columns
    assert row.split()[:3] == ["otsu-hed", "segment", "32"]
    assert "cannot run" in refused
    assert why.startswith("mdcl")
    assert "tile = 32" in why
    second = type_("otsu-hed", "--against", kept)
    _, columns, row = second.stdout.splitlines()
    assert columns.endswith("times faster  times memory")
    assert row.split()[-1] == "1"


def test_json():
    found = json.loads(type_("otsu-hed", "--json").stdout)
    assert found["size"] == 32
    assert found["rows"][0]["task"] == "segment"
    assert found["rows"][0]["megapixels_per_s"] > 0


def test_an_unknown_name_is_a_usage_error():
    assert type_("nonsense").exit_code == 2
