"""Parts of the network that are not trained at first, and learning rates that drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from histokit.errors import UnknownName
from histokit.training.updater import Updater

if TYPE_CHECKING:
    from histokit.interfaces.network import Network


@final
class Freezer:
    """Stops the training of some parts of a network and lets it go on.

    Args:
        network: as registered.
        name: one of its sets of parts; empty for nothing.
        updaters: what starts anew when the parts are released.

    Raises UnknownName where the network has no set of that name.
    """

    def __init__(self, network: Network, name: str, updaters: Sequence[Updater]) -> None:
        if name and name not in network.freeze:
            raise UnknownName(f"set of parts of the network {network.name}", name, network.freeze)
        paths = network.freeze[name] if name else ()
        self._parts = [network.module.get_submodule(path) for path in paths]
        self._updaters = updaters

    def hold(self) -> None:
        """From now on the parts are not trained."""
        for part in self._parts:
            part.requires_grad_(False)

    def release(self) -> None:
        """From now on the parts are trained, by optimisers without a past; does nothing where
        they already were.
        """
        if all(p.requires_grad for part in self._parts for p in part.parameters()):
            return
        for part in self._parts:
            part.requires_grad_(True)
        for updater in self._updaters:
            start_anew(updater)


def start_anew(updater: Updater) -> None:
    """Forgets Adam's averages and the number of updates done."""
    updater.optimiser.state.clear()
    updater.count = 0
