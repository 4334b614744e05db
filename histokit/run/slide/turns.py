"""When each window of a slide runs, settled before any of them does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from histokit.run.slide.plan import SlidePlan


@dataclass(frozen=True, slots=True)
class Turns:
    """Which windows run for which block, and which outputs stay for later blocks.

    Neighbouring blocks want the same windows. Outputs stay in memory while there is room; those
    that found none run again. The last bits of an output depend on how many windows are in its
    batch and on its place in it (measured on CPUs, with two threads and batches of six). So what
    is in a batch follows from the plan and the room alone, and whoever works out a block, be it a
    command that goes on with the work of another or one of many processes, runs the same batches.

    Attributes:
        fresh: the windows that run for each block, by its number.
        home: the block for which a window ran whose output stays from then on.
        last: the last block that wants a window.
    """

    fresh: Mapping[int, tuple[int, ...]]
    home: Mapping[int, int]
    last: Mapping[int, int]

    def together(self, window: int, batch: int) -> tuple[int, ...]:
        """The batch in which a window ran whose output stays."""
        windows = self.fresh[self.home[window]]
        start = windows.index(window) // batch * batch
        return windows[start : start + batch]

    def stays(self, window: int, home: int, block: int) -> bool:
        """Whether an output of the block `home` is kept for a block, or for later ones."""
        return self.home.get(window) == home and self.last[window] >= block


def turns(plan: SlidePlan, room: int) -> Turns:
    """The turns of the windows of a slide, where `room` outputs can be kept at a time."""
    wanted = {
        block.number: [window for window in plan.layout(block)[1] if window in plan.live]
        for block in plan.blocks
    }
    last = {window: number for number, windows in wanted.items() for window in windows}
    fresh: dict[int, tuple[int, ...]] = {}
    home: dict[int, int] = {}
    kept: set[int] = set()
    for number, windows in wanted.items():
        runs = []
        for window in windows:
            if window in kept:
                kept -= {window} if last[window] == number else set()
                continue
            runs.append(window)
            if last[window] > number and len(kept) < room:
                kept.add(window)
                home[window] = number
        fresh[number] = tuple(runs)
    return Turns(fresh, home, last)
