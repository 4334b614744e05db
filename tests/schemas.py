"""Holds what commands print and write against the schemas that are shipped."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from histokit.cli.schema import bundled

COMPOSED = ("properties", "$ref", "allOf", "anyOf", "oneOf")
USES = ("items", "additionalProperties", "unevaluatedProperties")


def require_valid(name: str, value: Any, *, closed: bool = True) -> None:
    """Fails where a value does not fit a schema; `closed`: nor where it has fields beyond it."""
    errors = sorted(_validator(name, closed).iter_errors(value), key=lambda e: list(e.path))
    assert not errors, "\n".join(f"{name} at {list(e.path)}: {e.message[:300]}" for e in errors[:5])


@lru_cache
def _validator(name: str, closed: bool) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = bundled(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(_closed(schema) if closed else schema)


def _closed(schema: Any, use: bool = True) -> Any:
    """The schema without room for fields that it does not name. `use`: whether it stands for a
    value, and is not a part that others are composed of."""
    if not isinstance(schema, dict):
        return schema
    shut = {key: _part(key, value) for key, value in schema.items()}
    if use and any(key in schema for key in COMPOSED):
        shut.setdefault("unevaluatedProperties", False)
    return shut


def _part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _closed(item) for name, item in value.items()}
    if key == "$defs":
        return {name: _closed(item, use=False) for name, item in value.items()}
    if key in ("allOf", "anyOf", "oneOf"):
        return [_closed(item, use=False) for item in value]
    return _closed(value) if key in USES else value
