"""What code does to files and to the network, seen while it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}
TO_THE_SECOND = {"os.rename", "os.symlink"}
"""Changes whose second path is the new one."""
CALLS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}


@dataclass(frozen=True, slots=True)
class Deeds:
    """The paths that were written to or changed, and the addresses that were called."""

    writes: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)


_watching: list[Deeds] = []
"""Who is told at the moment; Python's audit hooks can never be taken off again."""
_hooked: list[bool] = []


@contextmanager
def watched(*allowed: Path) -> Iterator[Deeds]:
    """Collects what the code inside does, below Python's own functions for files and sockets.

    Writing below the folders `allowed`, to the null device or to Python's cache of compiled
    modules is no deed. Compiled code that opens files by itself is not seen.
    """
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked.append(True)
    deeds = Deeds()
    _watching.append(deeds)
    try:
        yield deeds
    finally:
        _watching.remove(deeds)
        roots = tuple(str(folder.resolve()) for folder in allowed)
        deeds.writes[:] = [path for path in deeds.writes if not _harmless(path, roots)]


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = arguments
        writes = any(letter in mode for letter in "wax+") if mode else bool(flags & WRITING)
        if writes:
            _note("writes", path)
    elif event in CHANGES:
        _note("writes", arguments[1] if event in TO_THE_SECOND else arguments[0])
    elif event in CALLS:
        _note("calls", arguments[-1] if event == "socket.connect" else arguments[0])


def _note(kind: str, what: Any) -> None:
    text = os.fsdecode(what) if isinstance(what, str | bytes | os.PathLike) else str(what)
    text = os.path.abspath(text) if kind == "writes" else text
    for deeds in _watching:
        getattr(deeds, kind).append(text)


def _harmless(path: str, roots: tuple[str, ...]) -> bool:
    if path == os.devnull or "__pycache__" in path:
        return True
    place = Path(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return any(place.is_relative_to(root) for root in roots)
