"""The settings of methods and runs: their models, where their values come from, their checks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histokit.config.base import MethodConfig
    from histokit.config.files import load_file, parse_set
    from histokit.config.options import Setting, describe
    from histokit.config.resolve import Layer, Resolved, resolve_all
    from histokit.config.run import RunConfig

_HOMES = {
    "Layer": "resolve",
    "MethodConfig": "base",
    "Resolved": "resolve",
    "RunConfig": "run",
    "Setting": "options",
    "describe": "options",
    "load_file": "files",
    "parse_set": "files",
    "resolve_all": "resolve",
}

__all__ = [
    "Layer",
    "MethodConfig",
    "Resolved",
    "RunConfig",
    "Setting",
    "describe",
    "load_file",
    "parse_set",
    "resolve_all",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"histokit.config.{_HOMES[name]}"), name)
