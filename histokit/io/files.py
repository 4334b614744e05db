"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from histokit.errors import DataError
from histokit.io.limits import MAX_GEOJSON, bounded

PART = ".part"
"""Ending of a file that is being written; such a file is never taken for a finished one."""

OF_ONE_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.EACCES}
)
"""Reasons for which one file cannot be written though others can."""

_WRITTEN: ContextVar[tuple[list[Path], ...]] = ContextVar("written", default=())
"""The lists that `recorded` fills."""


class DiskError(DataError):
    """The disk is full or takes no more files; what would be written next would fail as well."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well.

    The file is synced to disk before it is renamed and its folder after, so `path` holds either
    the old bytes or all of the new ones, also when the power fails. Makes the folder. Raises
    DataError, naming `path`, when it cannot be written: a DiskError unless its name is the reason.
    """
    temporary = _temporary(path)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
            _sync(path.parent)
            record(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends well, with all that
    is in it.

    What the name had before is gone for good. The files are not synced one by one, so it takes a
    checksum to know a folder whole after the power failed. Raises what `atomic` raises.
    """
    temporary, before = _temporary(path), path.with_name(f".{path.name}.before.{os.getpid()}{PART}")
    with _told(path):
        remove(temporary)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.exists():
                path.replace(before)
            temporary.replace(path)
            _sync(path.parent)
            record(path)
        finally:
            remove(temporary)
            remove(before)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{PART}")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tells in the user's words that `path` cannot be written."""
    try:
        yield
    except OSError as error:
        kind = DataError if error.errno in OF_ONE_NAME else DiskError
        raise kind(
            f"cannot write {path}",
            found=error.strerror or str(error),
            hint="free space or choose another output folder",
        ) from error


@contextmanager
def recorded() -> Iterator[list[Path]]:
    """The paths that this thread brings to their final names while the block runs, in order."""
    before, written = _WRITTEN.get(), list[Path]()
    _WRITTEN.set((*before, written))
    try:
        yield written
    finally:
        _WRITTEN.set(before)


def record(path: Path) -> None:
    """Says that `path` is written whole, to every `recorded` around; `atomic` does it."""
    for written in _WRITTEN.get():
        written.append(path)


def within(folder: Path, name: str) -> Path:
    """The path of `name` below `folder`.

    Raises DataError where it would lie elsewhere: names come out of files, and files are not to
    be trusted.
    """
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # no name of a file at all
        inside = False
    if not inside:
        raise DataError(
            f"refused to use the name {name!r}",
            expected=f"a place within {folder}",
            found="a way out of it",
            hint="look at where the data come from; rename the image",
        )
    return path


def _sync(folder: Path) -> None:
    """Brings the names in a folder to disk, on systems and file systems that can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse; the file itself is synced
            os.fsync(handle)
    finally:
        os.close(handle)


def require_folder(folder: Path) -> None:
    """Makes an output folder, so that work is not begun that could not be kept.

    Raises DataError, naming it, where it cannot be made or written in.
    """
    probe = folder / f".writable.{os.getpid()}{PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"cannot write into {folder}",
            expected="a folder that you may write in; it is made where it is missing",
            found=error.strerror or str(error),
            hint="choose another output folder",
        ) from error


def refuse_pipe(path: Path) -> None:
    """Raises DataError, naming `path`, where it is a pipe, a device or the like, which might be
    waited for, or go on, for ever. What is not there is left to what opens it.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(
            f"{path} is neither a file nor a folder",
            found="a pipe" if path.is_fifo() else "a device or a socket",
            hint="write what comes from it into a file, and give that",
        )


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON. NaN is refused: JSON has no such number."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises DataError, naming `path`, when it cannot be read or is too large.
    """
    refuse_pipe(path)
    try:
        with path.open("rb") as handle:
            return json.loads(bounded(path, handle, MAX_GEOJSON))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {path}", expected="a JSON file", found=f"{type(error).__name__}: {error}"
        ) from error
