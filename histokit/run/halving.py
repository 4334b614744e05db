"""Windows through a network, fewer or smaller ones where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from histokit.errors import DeviceError
from histokit.interfaces import Sizes
from histokit.run.machine import Machine, told_out_of_memory

SMALLEST = 128
"""Least side of windows that were halved: a network must see what is around an object."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    items: Iterable[Item],
    batch: int,
    run: Callable[[list[Item]], Result],
    machine: Machine,
    lower: str,
) -> Iterator[tuple[int, Result]]:
    """How many items each batch had, and its result.

    A batch that memory does not hold is halved, and those after it have no more items, also of
    images that come later on this machine. The results do not depend on that, but for the last
    bits where a network rounds otherwise with another batch.

    Args:
        items: what goes through.
        batch: most items at once.
        run: of no effect where memory runs out.
        machine: whose memory it is.
        lower: what to try where there is no room for a single item.

    Raises DeviceError where a single item is too much, and where weights are spread over
    processes, which must all make the same passes.
    """
    waiting, room = iter(items), machine.room
    while some := list(islice(waiting, room.of(batch))):
        while some:
            part = some[: room.of(batch)]
            done = _tried(part, run, machine, lower)
            if done is None:
                room.lower(len(part) // 2)
                continue
            if room.of(batch) < batch:
                room.tell("several windows at once", str(room.of(batch)))
            yield len(part), done[0]
            some = some[len(part) :]


def _tried(
    part: list[Item], run: Callable[[list[Item]], Result], machine: Machine, lower: str
) -> tuple[Result] | None:
    """The result; nothing where several items are too much, and what they took is free again."""
    try:
        with told_out_of_memory(lower):
            return (run(part),)
    except DeviceError:
        if len(part) == 1 or machine.sharded:
            raise
    return None


def in_windows(
    run: Callable[[int], Result], side: int, overlap: int, sizes: Sizes, machine: Machine
) -> Result:
    """What `run` makes of an image with windows of a side; of half the side, and so on, where
    memory does not hold one window. The result then differs a little, as a network sees less
    around each pixel; the next image begins with the whole side again.

    Raises DeviceError where half a side is not legal, below `SMALLEST` or mostly overlap, and
    where weights are spread over processes.
    """
    while True:
        try:
            return run(side)
        except DeviceError:
            smaller = sizes.fit(side // 2)
            least = max(SMALLEST, 2 * overlap + sizes.shrink)
            if machine.sharded or not least <= smaller < side:
                raise
        machine.room.tell("a window", "smaller ones there, which changes results a little")
        side = smaller
