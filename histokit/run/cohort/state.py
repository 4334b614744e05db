"""How far an item is: a small file for each, by which a later command knows what is finished."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histokit.errors import DataError
from histokit.io.files import write_text
from histokit.run.cohort.claims import STATES
from histokit.run.cohort.item import Item
from histokit.run.slide.key import identity

LONGEST = 40
"""Letters of an item's name in that of its file."""


class Output(BaseModel):
    """A file, or a folder taken as one, that was written of an item."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="within the output folder")
    bytes: int = Field(ge=0)
    sha256: str


class State(BaseModel):
    """How far an item is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str = Field(description="of the item in the output")
    image: str = Field(description="a path, as the command saw it")
    key: str = Field(description="digest of the input, the weights and the settings that matter")
    status: Literal["running", "done", "failed"]
    attempts: int = Field(ge=1, description="how often it was begun with this key")
    reason: str = Field("", description="why it failed")
    seconds: float = Field(0.0, ge=0)
    host: str = Field(default_factory=platform.node)
    pid: int = Field(default_factory=os.getpid)
    since: str = Field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        description="when this status began; UTC, ISO 8601",
    )
    outputs: tuple[Output, ...] = Field((), description="what was written")
    row: dict[str, Any] = Field({}, description="of summary.csv")
    more: dict[str, Any] = Field({}, description="for the other tables of the folder")


def path_of(out: Path, name: str) -> Path:
    """The file of an item's state; names of any length and form have their own."""
    readable = re.sub(r"[^\w.-]", "_", name)[:LONGEST]
    return out / STATES / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.json"


def write_state(out: Path, state: State) -> None:
    """Writes the state of an item."""
    write_text(path_of(out, state.name), state.model_dump_json(indent=1) + "\n")


def read_state(out: Path, name: str) -> State | None:
    """The state of an item; None where there is none. Raises DataError where it is damaged."""
    path = path_of(out, name)
    try:
        return State.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(
            f"cannot read {path}", expected="the state of an item", found=str(error).splitlines()[0]
        ) from error


def key_of(item: Item, settings: Mapping[str, Any]) -> str:
    """The digest of all that an item's outputs depend on: the file, what the manifest says of it,
    and the settings. Raises DataError where a file cannot be read.
    """
    mask = [item.mask, identity(Path(item.mask))] if item.mask else None
    parts = {"image": identity(item.path), "mpp": item.mpp, "mask": mask, "settings": settings}
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def outputs_among(out: Path, written: Iterable[Path]) -> tuple[Output, ...]:
    """The outputs of an item among the paths that were written while it was worked on: those in
    the output folder that are still there, but for hidden ones.
    """
    names = dict.fromkeys(str(p.relative_to(out)) for p in written if p.is_relative_to(out))
    shown = [name for name in names if not name.startswith(".") and (out / name).exists()]
    return tuple(_output(out, name) for name in shown)


def damaged(out: Path, state: State) -> str:
    """The first output that is not as it was written, by its name; empty where all are."""
    for output in state.outputs:
        try:
            same = _output(out, output.path) == output
        except OSError:
            same = False
        if not same:
            return output.path
    return ""


def _output(out: Path, name: str) -> Output:
    """A file with its checksum; of a folder that of the names and checksums of all in it."""
    path = out / name
    if not path.is_dir():
        return Output(path=name, bytes=path.stat().st_size, sha256=checksum(path))
    inside = sorted(p for p in path.rglob("*") if p.is_file())
    lines = [f"{checksum(p)}  {p.relative_to(path).as_posix()}\n" for p in inside]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return Output(path=name, bytes=sum(p.stat().st_size for p in inside), sha256=digest)


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
