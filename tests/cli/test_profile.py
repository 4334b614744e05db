"""`histokit profile`, typed."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.cli.profile import names


def type_(*words: str):
    fast = ("--size", "32", "--repeats", "1", "--warmup", "0", "--device", "cpu")
    return CliRunner().invoke(app, ["profile", *words, *fast], prog_name="histokit")


def test_the_table_and_the_conditions():
    result = type_("otsu-hed", "unet-small")
    assert result.exit_code == 0, result.output
    head, columns, *rows = result.stdout.splitlines()
    assert "1 calls after 0" in head
    assert "peak MiB" in columns
    assert [row.split()[:2] for row in rows] == [["otsu-hed", "segment"], ["unet-small", "forward"]]


def test_json():
    result = type_("otsu-hed", "--json")
    found = json.loads(result.stdout)
    assert found["size"] == 32
    assert found["memory"]
    assert found["costs"][0]["task"] == "segment"


def test_an_unknown_name_is_a_usage_error():
    result = type_("nonsense")
    assert result.exit_code == 2
    assert "no method or network is called 'nonsense'" in result.stderr


def test_names_complete():
    assert ("unet-small", "histokit-core") in names("unet-s")
    assert ("otsu-hed", "histokit-baselines") in names("otsu")
