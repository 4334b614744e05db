"""Plugins by name: methods, data sets and networks, found through entry points."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histokit.registry.cards import Entry
    from histokit.registry.datasets import find_dataset, find_root, list_datasets, open_source
    from histokit.registry.discovery import Broken, Offer, Scan, scan
    from histokit.registry.methods import find_method, find_preset, list_methods
    from histokit.registry.networks import find_network, list_networks
    from histokit.registry.refs import Ref, SourceRef, parse_ref, parse_source

_HOMES = {
    "Broken": "discovery",
    "Entry": "cards",
    "Offer": "discovery",
    "Ref": "refs",
    "Scan": "discovery",
    "SourceRef": "refs",
    "find_dataset": "datasets",
    "find_method": "methods",
    "find_network": "networks",
    "find_preset": "methods",
    "find_root": "datasets",
    "list_datasets": "datasets",
    "list_methods": "methods",
    "list_networks": "networks",
    "open_source": "datasets",
    "parse_ref": "refs",
    "parse_source": "refs",
    "scan": "discovery",
}

__all__ = [
    "Broken",
    "Entry",
    "Offer",
    "Ref",
    "Scan",
    "SourceRef",
    "find_dataset",
    "find_method",
    "find_network",
    "find_preset",
    "find_root",
    "list_datasets",
    "list_methods",
    "list_networks",
    "open_source",
    "parse_ref",
    "parse_source",
    "scan",
]


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for: listing plugins must not wait for their cards."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"histokit.registry.{_HOMES[name]}"), name)
