"""Bounded random damage to files, the same for the same seed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np

AWKWARD = (
    *(b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00"),
    *(b"NaN", b"1e999", b"-1", b"9" * 30, b'"', b"[[[[", b"{}", b"null"),
    *(b"../", b"\n\n", b"&a *a", b"!!x"),
)
"""Pieces that readers trip over: ends of number ranges, and marks of JSON and YAML."""
LONGEST = 64
"""Most bytes that one change takes away, repeats or overwrites."""


class TookTooLong(BaseException):
    """A reader did not come back; no `except Exception` takes it for damage."""


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes after one to four changes."""
    for _ in range(rng.integers(1, 5)):
        data = _changed(data, rng)
    return data


def _changed(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    length = int(rng.integers(1, LONGEST + 1))
    before, after = data[:place], data[place:]
    match rng.integers(0, 7):
        case 0:
            flipped = bytes(byte ^ (1 << int(rng.integers(8))) for byte in after[:1])
            return before + flipped + after[1:]
        case 1:
            return before + rng.bytes(length) + after[length:]
        case 2:
            return before + after[length:]
        case 3:
            return before + after[:length] + after
        case 4:
            return before
        case 5:
            piece = AWKWARD[int(rng.integers(len(AWKWARD)))]
            return before + piece + after[len(piece) :]
        case _:
            return before + AWKWARD[int(rng.integers(len(AWKWARD)))] + after


@contextmanager
def in_time(work: float = 10, wait: float = 120) -> Iterator[None]:
    """Raises TookTooLong where the block takes more seconds of work, or of waiting as well."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TookTooLong

    clocks = (
        (signal.SIGPROF, signal.ITIMER_PROF, work),
        (signal.SIGALRM, signal.ITIMER_REAL, wait),
    )
    before = [signal.signal(number, ring) for number, _, _ in clocks]
    for _, timer, seconds in clocks:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


class PeakMemory:
    """How many bytes this process took at most since a moment, beyond what it had then."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self.start = _status("VmRSS")

    def grown(self) -> int:
        """The bytes."""
        return _status("VmHWM") - self.start


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)
