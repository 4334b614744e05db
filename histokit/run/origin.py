"""`histokit provenance`: where a file comes from, by what it and the folder around it say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histokit.errors import DataError
from histokit.io.embedded import embedded
from histokit.io.files import read_json
from histokit.io.runs import RunFolder
from histokit.registry.refs import RUN_FILE
from histokit.run.provenance import RECORD

HIGHEST = 4
"""Folders above a file in which its record is looked for."""
SLACK = 2.0
"""Seconds after the record within which a file still belongs to it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file or run comes from.

    Attributes:
        path: of the file or run folder.
        sha256: of the file; empty for a folder.
        embedded: what the file itself says; empty where it says nothing.
        record: the file that records the command: a folder's provenance.json, or a run's env.json;
            None where there is none.
        recorded: what it says.
        run: the run folder that the record is of; None where it is another folder's.
        notes: what makes the record doubtful.
    """

    path: Path
    sha256: str
    embedded: Mapping[str, Any]
    record: Path | None
    recorded: Mapping[str, Any]
    run: Path | None
    notes: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The command as it was typed; empty where none is known."""
        words = self.recorded.get("command") or self.embedded.get("command")
        return [str(word) for word in words] if isinstance(words, list) else []

    def as_dict(self) -> dict[str, Any]:
        """The machine-readable result."""
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "embedded": dict(self.embedded),
            "record": None if self.record is None else str(self.record),
            "recorded": dict(self.recorded),
            "run": None if self.run is None else str(self.run),
            "command": self.command,
            "notes": list(self.notes),
        }


def origin_of(path: Path) -> Origin:
    """Where a file that histokit wrote, or a run folder, comes from.

    Raises DataError where there is no such file, or neither it nor a folder around it says
    anything.
    """
    if not path.exists():
        raise DataError(f"there is no {path}", expected="a file that histokit wrote, or a run")
    said = embedded(path) if path.is_file() else {}
    record, run = _record(path)
    if not said and record is None:
        raise DataError(
            f"nothing says where {path} comes from",
            expected=f"a record in the file, or a {RECORD} or {RUN_FILE} around it",
            hint="look for the folder in which histokit wrote it",
        )
    recorded = read_json(record) if record is not None and record.is_file() else {}
    if not isinstance(recorded, dict):
        raise DataError(f"{record} is damaged", expected="a JSON object")
    digest = _sha256(path) if path.is_file() else ""
    return Origin(path, digest, said, record, recorded, run, tuple(_doubts(path, record, run)))


def _record(path: Path) -> tuple[Path | None, Path | None]:
    """The nearest record around a path, and its run folder where it is of one."""
    start = path.resolve() if path.is_dir() else path.resolve().parent
    for folder in (start, *start.parents[:HIGHEST]):
        if (folder / RECORD).is_file():
            return folder / RECORD, None
        if (folder / RUN_FILE).is_file():
            return RunFolder(folder).environment, folder
    return None, None


def _doubts(path: Path, record: Path | None, run: Path | None) -> list[str]:
    """Why a record may not be that of a file; a run's is written at its beginning."""
    if record is None or run is not None or path.is_dir():
        return []
    if path.stat().st_mtime > record.stat().st_mtime + SLACK:
        return [f"the file was changed after {record} was written"]
    return []


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
