"""What the memory of a machine was found to hold while a command runs."""

from __future__ import annotations

import logging
from typing import final

LOG = logging.getLogger("histokit")


@final
class Room:
    """How many windows go through a network at once, at most, from when memory ran out on."""

    def __init__(self) -> None:
        self._most: int | None = None
        self._told: set[str] = set()

    def of(self, batch: int) -> int:
        """So many of a batch as there is room for."""
        return batch if self._most is None else min(batch, self._most)

    def lower(self, most: int) -> None:
        """Says that there is room for so many at most."""
        self._most = most

    def tell(self, what: str, kept: str) -> None:
        """Tells the logger ``histokit`` that `what` was too much and what is `kept` to; one line
        a kind of `what` and command.
        """
        if what not in self._told:
            self._told.add(what)
            LOG.warning("memory ran out with %s; going on with %s (said once)", what, kept)
