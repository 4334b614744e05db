"""Locks between processes that say who holds them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from histokit.errors import DataError, RunBusy
from histokit.io.files import write_text

LOCK, HOLDER = ".lock", ".holder"
"""Endings of a lock and of the file beside it that names its holder."""


@contextmanager
def held(lock: Path, *, busy: str, hint: str, elsewhere: str, wait: float = 0.0) -> Iterator[None]:
    """Holds a lock for this process while the block runs; one whose holder died is free.

    Args:
        lock: its file, which ends in `LOCK`; its folder is there.
        busy: what is in use where another process holds it.
        hint: what to do then.
        elsewhere: what to do where the file cannot be written.
        wait: seconds to wait for another holder.

    Raises RunBusy, naming the holder, and DataError where the lock cannot be made.
    """
    taken = _acquired(lock, busy, hint, elsewhere, wait)
    holder = _holder(lock)
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_text(holder, f"process {os.getpid()} on {platform.node()} since {since}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        taken.release()


def is_held(lock: Path) -> bool:
    """Whether a process, this one too, holds a lock."""
    probe = FileLock(lock, timeout=0)
    try:
        probe.acquire()
    except Timeout:
        return True
    probe.release()
    return False


def holder_of(lock: Path) -> str:
    """Who holds a lock, in words."""
    try:
        return _holder(lock).read_text(encoding="utf-8")
    except OSError:
        return "another process"


def _acquired(lock: Path, busy: str, hint: str, elsewhere: str, wait: float) -> FileLock:
    taken = FileLock(lock, timeout=wait)
    try:
        taken.acquire()
    except Timeout as error:
        raise RunBusy(busy, found=holder_of(lock), hint=hint) from error
    except OSError as error:
        raise DataError(
            f"cannot write {lock}",
            found=error.strerror or str(error),
            hint=f"free space, or {elsewhere}",
        ) from error
    return taken


def _holder(lock: Path) -> Path:
    return lock.with_name(lock.name.removesuffix(LOCK) + HOLDER)
