"""Stopping on request: the first Ctrl-C or SIGTERM asks, the second kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody asked to stop, and with which signal."""

    def __init__(self) -> None:
        self.reason = ""

    def __bool__(self) -> bool:
        return bool(self.reason)


@contextmanager
def stop_on_request() -> Iterator[Stop]:
    """Watches for SIGINT and SIGTERM while the block runs. Outside the main thread, where
    signals cannot be watched, the answer stays "nobody asked".
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        stop.reason = signal.Signals(number).name
        for other in watched:
            signal.signal(other, before[other])

    for number in watched:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in watched:
            signal.signal(number, before[number])
