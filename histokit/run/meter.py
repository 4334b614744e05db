"""How fast training goes, how long it waits for data, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from histokit.run.events import Progress
from histokit.training.loop import Step


class Meter:
    """Counts steps, images and waiting.

    Args:
        world: processes, each with its own images.
        clock: gives the time in seconds.
    """

    def __init__(self, world: int = 1, clock: Callable[[], float] = time.perf_counter) -> None:
        self._world = world
        self._clock = clock
        self._done = 0
        self._waited_in_all = self._worked_in_all = self._paused_in_all = 0.0
        self._restart()

    def add(self, record: Step) -> None:
        """Takes a finished step into account."""
        self._steps += 1
        self._images += len(record.keys) * self._world
        self._waited += record.waited

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Validating and saving: no part of the speed, but of the time that is left."""
        self._close()
        began = self._clock()
        try:
            yield
        finally:
            self._paused_in_all += self._clock() - began
            self._restart()

    def progress(self, record: Step, losses: Mapping[str, float]) -> Progress:
        """Speed and waiting since the last look, and the time left at this speed with as many
        pauses as up to now.
        """
        seconds = max(self._clock() - self._since, 1e-9)
        steps, speed, waited = max(self._steps, 1), self._images / seconds, self._waited / seconds
        self._close()
        pause = self._paused_in_all / max(self._done, 1)
        left = (record.total - record.step) * (seconds / steps + pause)
        self._restart()
        return Progress(record.step, record.total, record.phase, losses, speed, left, waited)

    @property
    def waited(self) -> float:
        """The share of all training time, without pauses, that was spent waiting for data."""
        worked = self._worked_in_all + (self._clock() - self._since)
        return (self._waited_in_all + self._waited) / max(worked, 1e-9)

    def _close(self) -> None:
        self._done += self._steps
        self._waited_in_all += self._waited
        self._worked_in_all += self._clock() - self._since

    def _restart(self) -> None:
        self._since = self._clock()
        self._steps = self._images = 0
        self._waited = 0.0
