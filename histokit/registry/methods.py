"""The installed methods, by name."""

from __future__ import annotations

from typing import cast

from histokit.errors import UnknownName
from histokit.interfaces.spec import MethodSpec, Preset
from histokit.registry.cards import Entry, Kind, entries, find
from histokit.registry.discovery import METHODS

PAPERS = ("ostrich", "syndiff-pl", "mdcl", "mani", "fdloss")
"""The methods that histokit publishes itself, each as ``histokit-<name>``."""

KIND = Kind(METHODS, "method", MethodSpec, {name: f"histokit-{name}" for name in PAPERS})


def find_method(name: str) -> MethodSpec:
    """The card of a method. Raises what `histokit.registry.cards.find` raises."""
    return cast(MethodSpec, find(KIND, name))


def list_methods() -> list[Entry]:
    """Every method that is offered, sound or broken."""
    return entries(KIND)


def find_preset(spec: MethodSpec, name: str) -> Preset:
    """The preset of a method. Raises UnknownName with the nearest."""
    if name not in spec.presets:
        hint = "" if spec.presets else f"{spec.name} has no presets; leave it out"
        raise UnknownName(f"preset of {spec.name}", name, spec.presets, hint=hint)
    return spec.presets[name]
