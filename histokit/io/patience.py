"""Reading that does not wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimeIsUp
from pathlib import Path
from threading import Thread
from typing import TypeVar

from histokit.errors import DataError

PATIENCE = 300.0
"""Seconds within which an image is read."""

Result = TypeVar("Result")


def answered(path: Path, read: Callable[[], Result]) -> Result:
    """What `read` gives or raises. Raises DataError, naming `path`, after `PATIENCE`.

    It runs in a thread of its own, as no call of the system can be taken back: where a disk does
    not answer, the thread is left behind and ends with the process.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(read())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name=f"read {path.name}", daemon=True).start()
    try:
        return future.result(PATIENCE)
    except TimeIsUp as error:
        if future.done():  # it was what the system told `read`
            raise
        raise DataError(
            f"cannot read {path}",
            expected=f"an image within {PATIENCE:g} seconds",
            found="no answer",
            hint="look whether its disk or network folder is there; copy the file to a near one",
        ) from error
