"""Work of one stage done while the next stage is busy with what came before."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Final, TypeVar

T = TypeVar("T")
WAIT = 0.1
"""Seconds between two looks at whether anybody still wants the items."""


class _End:
    """The last thing in a queue: that it is over, or why it is."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error: Final = error


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, made in a thread of their own up to `depth` ahead of their use.

    What making them raises is raised here. Closing this iterator ends the thread.
    """
    queue: Queue[T | _End] = Queue(depth)
    unwanted = threading.Event()
    thread = threading.Thread(target=_fill, args=(iter(items), queue, unwanted), daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        while thread.is_alive():
            try:
                queue.get(timeout=WAIT)
            except Empty:
                continue


def _fill(items: Iterator[T], queue: Queue[T | _End], unwanted: threading.Event) -> None:
    try:
        for item in items:
            if not _put(queue, item, unwanted):
                return
        end = _End()
    except BaseException as error:  # it is raised where the items are used
        end = _End(error)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
    _put(queue, end, unwanted)


def _put(queue: Queue[T | _End], item: T | _End, unwanted: threading.Event) -> bool:
    """Whether the item was taken in before nobody wanted it any more."""
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=WAIT)
        except Full:
            continue
        return True
    return False
