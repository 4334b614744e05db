from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest
import yaml

from histokit.cli import lines, schema
from histokit.config.files import load_file
from histokit.errors import UnknownName
from histokit.run import events
from histokit.run.bench import Benched
from histokit.run.importing import Copying, Imported
from histokit.run.profile import Profiled
from schemas import require_valid

SHOWN = [*get_args(events.Event), Benched, Copying, Imported, Profiled]
"""Every event that a verb shows."""
jsonschema = pytest.importorskip("jsonschema")


@pytest.mark.parametrize("name", schema.names())
def test_a_schema_is_one_and_whole_in_itself(name):
    found = schema.bundled(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:histokit:schema:{name}:{schema.version(found)}"
    assert found["title"]
    inside = {found["$id"], *(part.get("$id") for part in found.get("$defs", {}).values())}
    assert {f"urn:histokit:schema:{other}:1" for other in schema._referred(found)} <= inside


def test_nothing_fits_everything():
    for name in schema.names():
        with pytest.raises(AssertionError):
            require_valid(name, "text")


def test_a_field_that_nobody_described_is_found():
    told = {"out": "out", "done": 1, "failed": 0, "objects": 3}
    require_valid("predict", told)
    with pytest.raises(AssertionError, match="surprise"):
        require_valid("predict", {**told, "surprise": 1})
    require_valid("predict", {**told, "surprise": 1}, closed=False)
    with pytest.raises(AssertionError, match="objects"):
        require_valid("predict", {**told, "objects": "three"})


def test_each_event_has_its_lines_fields():
    parts = {
        part["properties"]["event"]["const"]: part for part in schema.read("progress")["oneOf"]
    }
    for event in SHOWN:
        told = {f.name for f in fields(event)} - lines.IN_THE_RESULT
        assert set(parts[lines.name_of(event)]["properties"]) == {"event", *told}


def test_an_unknown_name():
    with pytest.raises(UnknownName, match="predikt"):
        schema.bundled("predikt")


def test_settings_of_a_method(tmp_path):
    found = schema.of_settings("mani")
    jsonschema.Draft202012Validator.check_schema(found)
    check = jsonschema.Draft202012Validator(found)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"mi_weight": 0.2, "source": "tnbc", "split": [0.8, 0.1, 0.1]}))
    assert check.is_valid(load_file(file))
    assert not check.is_valid({"mi_weight": -1})
    assert not check.is_valid({"mi_wait": 1})
