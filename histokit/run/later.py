"""Settings that are read only after training, so that a trained run may take others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from histokit.errors import UsageError
from histokit.interfaces import MethodSpec
from histokit.registry.methods import find_preset

MARK = "later"
"""A field with ``json_schema_extra={"later": True}`` is such a setting."""


def later_settings(config: type[BaseModel]) -> frozenset[str]:
    """The names of the settings of a method that are read only after training."""
    return frozenset(
        name
        for name, field in config.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(MARK)
    )


def later_preset(spec: MethodSpec, preset: str) -> Mapping[str, Any]:
    """The settings of a preset that any trained run can take; empty for one that says how to
    train, and for none.

    Raises UnknownName where there is no such preset.
    """
    values = find_preset(spec, preset).overrides if preset else {}
    return values if values.keys() <= later_settings(spec.config) else {}


def require_later(spec: MethodSpec, settings: Mapping[str, Any]) -> None:
    """Raises UsageError where one of the settings was read in training."""
    free = later_settings(spec.config)
    fixed = [name for name in settings if name.replace("-", "_") not in free]
    if fixed:
        raise UsageError(
            "trained weights keep the settings that they were trained with",
            expected="--set " + " or ".join(sorted(free)) if free else "no --set",
            found="--set " + ", ".join(fixed),
            hint=f"histokit train {spec.name} --set … makes weights with others",
        )
