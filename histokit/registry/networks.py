"""The installed networks, by name."""

from __future__ import annotations

from typing import cast

from histokit.interfaces.spec import NetworkSpec
from histokit.registry.cards import Entry, Kind, entries, find
from histokit.registry.discovery import NETWORKS

KIND = Kind(NETWORKS, "network", NetworkSpec, {})


def find_network(name: str) -> NetworkSpec:
    """The card of a network. Raises what `histokit.registry.cards.find` raises."""
    return cast(NetworkSpec, find(KIND, name))


def list_networks() -> list[Entry]:
    """Every network that is offered, sound or broken."""
    return entries(KIND)
