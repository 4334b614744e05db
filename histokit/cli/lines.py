"""JSON lines on stderr: what ``--progress json`` shows in place of words; see its schema."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import typer

FORMAT = 1
"""Version of the lines, in each of them."""
IN_THE_RESULT = frozenset({"about", "against", "costs", "evaluations", "options", "report", "rows"})
"""Fields of events that `result_json` prints on stdout, far too long for a line."""
_WANTED = {"on": False}


@contextmanager
def on_stderr(on: bool) -> Iterator[None]:
    """Whether stderr takes JSON lines while the block runs; warnings of libraries then are, too."""
    if not on:
        yield
        return
    _WANTED["on"] = True
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            yield
    finally:
        _WANTED["on"] = False


def wanted() -> bool:
    """Whether stderr takes JSON lines."""
    return _WANTED["on"]


def write(event: str, values: Mapping[str, Any]) -> None:
    """One line on stderr: the format, the time, the event and its values."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"format": FORMAT, "time": now, "event": event, **plain(values)}
    typer.echo(json.dumps(line, ensure_ascii=False, allow_nan=False), err=True)


def write_event(event: Any) -> None:
    """An event of a verb, a dataclass, as a line: its name, and its fields."""
    told = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in IN_THE_RESULT}
    write(name_of(type(event)), told)


def name_of(kind: type) -> str:
    """What the events of a class are called: ``item_done`` for `ItemDone`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning of Python as an event; where in a library it was made is no matter of the user."""
    del filename, lineno, file, line
    write("noted", {"text": f"{category.__name__}: {message}", "warning": True})


def plain(value: Any) -> Any:
    """A value as JSON has it; NaN and infinity, which it lacks, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
