"""How often a training saves its state, by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final


@final
class Rhythm:
    """Says when so much time has passed since the state was saved.

    Args:
        minutes: between two saves.
        clock: gives the time in seconds; one that never jumps.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = 60 * minutes
        self._clock = clock
        self._saved = clock()

    @property
    def late(self) -> bool:
        """Whether it is time to save."""
        return self._clock() - self._saved >= self._seconds

    def saved(self) -> None:
        """Says that the state was saved just now."""
        self._saved = self._clock()
