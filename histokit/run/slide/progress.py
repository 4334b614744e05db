"""How far a slide is, in blocks done and in words, and whether all of its tissue was done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar, final

import numpy as np

from histokit.errors import ContractError
from histokit.postprocess.tissue import Tissue
from histokit.run.events import Noted
from histokit.run.slide.plan import Block, SlidePlan

A = TypeVar("A")
B = TypeVar("B")
TELL = 20.0
"""Seconds between two lines."""


@final
class Busy:
    """How much of the time a network works, and does not wait for pixels or for what comes after.

    Its clock starts with the first window. On a GPU a window ends when its output is in memory.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._ended = 0.0
        self._seconds = 0.0

    def timed(
        self, run: Callable[[Iterable[A]], Iterator[B]]
    ) -> Callable[[Iterable[A]], Iterator[B]]:
        """The same function of windows, and its time is counted."""

        def counted(windows: Iterable[A]) -> Iterator[B]:
            made = run(windows)
            while True:
                began = time.perf_counter()
                output = next(made, None)
                self._ended = time.perf_counter()
                self._began = began if self._began is None else self._began
                self._seconds += self._ended - began
                if output is None:
                    return
                yield output

        return counted

    def idle(self) -> float | None:
        """The share of the time from the first window to the last in which the network waited;
        None where none ran.
        """
        if self._began is None:
            return None
        return 1.0 - self._seconds / max(self._ended - self._began, 1e-9)

    def told(self, name: str) -> Iterator[Noted]:
        """A line about the slide `name`; none where no window ran in this process."""
        idle = self.idle()
        if idle is not None:
            yield Noted(f"{name}: the network waited {idle:.0%} of the time")


@final
class Progress:
    """The blocks of a slide that are done.

    Args:
        plan: of the slide.
        before: numbers of those that were worked out before; they say nothing of the pace.
    """

    def __init__(self, plan: SlidePlan, before: Collection[int] = ()) -> None:
        self._plan = plan
        self._before = before
        self._covered = Tissue(np.zeros_like(plan.tissue.mask))
        self._blocks = self._new = 0
        self._pixels = 0
        self._began = self._told = time.perf_counter()

    def add(self, block: Block) -> None:
        """Says that a block is done."""
        self._blocks += 1
        if block.number not in self._before:
            self._new += 1
            self._pixels += block.shape[0] * block.shape[1]
        self._covered.within(*block.core, self._plan.size)[...] = True

    def line(self, extra: str = "") -> str:
        """A line about it, with `extra` in it; empty where one was told not long ago."""
        now = time.perf_counter()
        if now - self._told < TELL:
            return ""
        self._told = now
        seconds, total = now - self._began, len(self._plan.blocks)
        left = seconds / max(self._new, 1) * (total - self._blocks)
        return (
            f"{self._plan.view.slide.path.name}: block {self._blocks} of {total}, {extra}"
            f"{self._pixels / 1e6 / seconds:.2f} Mpx/s, {left / 60:.0f} min left"
        )

    def require_all(self) -> None:
        """Raises ContractError where some tissue lies in no block that was done."""
        left_out = int((self._plan.tissue.mask & ~self._covered.mask).sum())
        if left_out:
            raise ContractError(
                f"some tissue of {self._plan.view.slide.path} was left out",
                expected="every piece of tissue in a block",
                found=f"{left_out} of {int(self._plan.tissue.mask.sum())} places without",
            )
