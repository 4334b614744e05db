"""Translators by name, with settings where they need no training, and their instance norms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from histokit.config.resolve import Layer, resolve
from histokit.errors import UsageError
from histokit.interfaces import Access, Translator
from histokit.registry.methods import find_method, find_preset
from histokit.registry.refs import parse_ref
from histokit.run.context import RunContext
from histokit.run.infer import Windows
from histokit.run.machine import Machine
from histokit.run.models import Trained, load_trained, networks_of
from histokit.run.norms import InstanceNorms
from histokit.run.translate_image import Norm

WINDOWS = Windows(1024, 128)
"""How images are cut by default: wide windows, as stain translation looks far around."""


def load_with(
    ref: str,
    machine: Machine,
    runs: Path,
    *,
    run: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Trained:
    """As `load_trained`, with settings by name: of a method that needs no training any, of trained
    weights those that are read only after training.

    Raises UsageError for other settings of trained weights, ConfigError for wrong values.
    """
    if not settings:
        return load_trained(ref, machine, runs, run=run)
    parsed = parse_ref(ref)
    spec = find_method(parsed.name) if parsed.kind == "method" else None
    if spec is None or spec.access is not Access.NOTHING or run is not None:
        return load_trained(ref, machine, runs, run=run, settings=settings)
    preset = find_preset(spec, parsed.preset).overrides if parsed.preset else {}
    layers = [Layer(f"preset {parsed.preset}", preset), Layer("--set", settings)]
    config = resolve(spec.config, layers).config
    method = spec.load().build(config, RunContext(machine, runs=runs))
    for network in networks_of(method.stateful()).values():
        network.eval()
    return Trained(method, spec, {}, None, f"{spec.name} needs no training")


def translator_of(trained: Trained) -> Translator:
    """What a trained method translates with. Raises UsageError where it does not translate."""
    if isinstance(trained.method, Translator):
        return trained.method
    raise UsageError(
        f"{trained.spec.name} does not translate images",
        found="its roles: " + ", ".join(trained.spec.roles),
        hint="see `histokit methods list` for translators",
    )


def shared_norms(trained: Trained, norm: Norm) -> InstanceNorms | None:
    """The instance norms of a method whose statistics an image shares; None for ``tile``."""
    if norm == "tile":
        return None
    return InstanceNorms(networks_of(trained.method.stateful()))
