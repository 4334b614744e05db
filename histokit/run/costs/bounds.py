"""Memory that a measurement may take, so that one that needs more fails and not the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

MEMORY = Path("/proc/meminfo")
OWN = Path("/proc/self/statm")
GROUP = Path("/sys/fs/cgroup")
"""Where Linux tells what memory is free, what this process takes, and what its group may take."""


@contextmanager
def bounded_memory(device: torch.device) -> Iterator[None]:
    """Lets this process take the memory that is free now and no more; what asks for more meets an
    error, where otherwise the system would end the process.

    On a GPU, whose allocator says so by itself, and on systems other than Linux nothing changes.
    """
    free = free_memory() if device.type == "cpu" else None
    if free is None or sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = _taken() + free
    if before[0] != resource.RLIM_INFINITY:
        limit = min(limit, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def free_memory() -> int | None:
    """Bytes that this process can still have, its control group looked at; None if not told."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
    return min([free, *_left_in_group()])


def _left_in_group() -> Iterator[int]:
    """What the control group may still take, where it has a limit."""
    try:
        limit = (GROUP / "memory.max").read_text().strip()
        if limit != "max":
            yield max(int(limit) - int((GROUP / "memory.current").read_text()), 0)
    except (OSError, ValueError):
        return


def _taken() -> int:
    """Bytes of address space of this process."""
    return int(OWN.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
