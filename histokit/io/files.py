"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from histokit.errors import DataError

PART = ".part"
"""Ending of a file that is being written; such a file is never taken for a finished one."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well.

    The file is synced to disk before it is renamed, so `path` holds either the old bytes or all
    of the new ones. Makes the folder. Raises DataError, naming `path`, when it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write {path}",
            found=error.strerror or str(error),
            hint="free space or choose another output folder",
        ) from error


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


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON. NaN is refused: JSON has no such number."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises DataError, naming `path`, when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read {path}", expected="a JSON file", found=f"{type(error).__name__}: {error}"
        ) from error
