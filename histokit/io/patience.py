"""Reading that does not wait for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimeIsUp
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, ClassVar, TypeVar, final

from histokit.errors import DataError

PATIENCE = 300.0
"""Seconds within which an image is read."""

Result = TypeVar("Result")


class NoAnswer(DataError):
    """A file is not read in time; what reads it may be at it still."""


@final
class _Reader:
    """A thread that reads for others, one call after another; a daemon, as no call of the system
    can be taken back.
    """

    idle: ClassVar[list[_Reader]] = []
    """Those with nothing to do; a new thread for each file would cost more than a small image."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        Thread(target=self._work, name="histokit reader", daemon=True).start()

    def ask(self, read: Callable[[], Result]) -> Future[Result]:
        """What `read` will give or raise."""
        future: Future[Result] = Future()
        self._asked.put((future, read))
        return future

    def _work(self) -> None:
        while True:
            future, read = self._asked.get()
            try:
                result = read()
            except BaseException as error:
                self.idle.append(self)
                future.set_exception(error)
                del error
            else:
                self.idle.append(self)
                future.set_result(result)
                del result
            del future, read  # no image is kept while nothing is asked


if hasattr(os, "register_at_fork"):  # threads stay behind in the parent
    os.register_at_fork(after_in_child=_Reader.idle.clear)


def answered(path: Path, read: Callable[[], Result]) -> Result:
    """What `read` gives or raises. Raises NoAnswer, naming `path`, after `PATIENCE`.

    It runs in another thread. Where a disk does not answer, that thread is left behind and ends
    with the process.
    """
    try:
        reader = _Reader.idle.pop()
    except IndexError:
        reader = _Reader()
    future = reader.ask(read)
    try:
        return future.result(PATIENCE)
    except TimeIsUp as error:
        if future.done():  # it came at the last moment, or it was what the system told `read`
            return future.result()
        raise NoAnswer(
            f"cannot read {path}",
            expected=f"an image within {PATIENCE:g} seconds",
            found="no answer",
            hint="look whether its disk or network folder is there; copy the file to a near one",
        ) from error
