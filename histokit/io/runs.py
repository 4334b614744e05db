"""The run folder: what it holds, who may write in it, and how its state is told.

runs/<utc>_<method>_<hash>/
    run.yaml          every setting with where it came from
    split.json        keys of training, validation and test images of each data set
    env.json          versions, device, command
    state.json        status, step and best score
    events.jsonl      what happened, a line each
    metrics.csv       step, phase, name, value
    log.txt           what was said
    checkpoints/      last.ckpt (to go on), previous.ckpt (the state before it),
                      best.safetensors (to use), best.json (its card)
    predictions/      written by predict and eval
    report/           index.html and per_image.csv
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from histokit.errors import DataError
from histokit.io.files import PART, atomic, read_json, remove, write_json, write_text
from histokit.io.locks import LOCK, held

FORMAT = 1
"""Version of the layout, written in run.yaml."""
_COLUMNS = ("step", "phase", "name", "value")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def last(self) -> Path:
        """The state to go on from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The state before it, for the day on which `last` turns out damaged."""
        return self.last.with_name("previous.ckpt")

    @property
    def begun(self) -> bool:
        """Whether there is a state to go on from. A kill may leave `previous` alone."""
        return self.last.exists() or self.previous.exists()

    @property
    def best(self) -> Path:
        """The weights to use."""
        return self.path / "checkpoints" / "best.safetensors"

    @property
    def environment(self) -> Path:
        """Versions, device and command."""
        return self.path / "env.json"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.path / "report"

    @classmethod
    def create(cls, runs: Path, method: str, digest: str) -> RunFolder:
        """A new folder under `runs`, named by time, method and settings. Raises DataError when it
        cannot be made.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        base = f"{stamp}_{method}_{digest[:8]}"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            for number in range(1000):
                path = runs / (base if number == 0 else f"{base}-{number}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                return cls(path)
        except OSError as error:
            raise DataError(
                f"cannot make a run folder in {runs}",
                found=error.strerror or str(error),
                hint="give a folder that you may write in: --runs FOLDER",
            ) from error
        raise DataError(f"{runs} holds a thousand runs of this very second")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run. Raises DataError where there is no run.yaml."""
        folder = cls(path)
        if not (path / "run.yaml").is_file():
            raise DataError(
                f"{path} is not a run folder",
                expected="a folder with run.yaml, as `histokit train` makes",
                hint="see `histokit runs list`",
            )
        return folder

    def settings(self) -> dict[str, Any]:
        """What run.yaml says: the method, and of each setting its value and origin.

        Raises DataError when it is damaged or of a newer histokit.
        """
        path = self.path / "run.yaml"
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise DataError(f"cannot read {path}", found=str(error).splitlines()[0]) from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise DataError(
                f"{path} was not written by this version of histokit",
                expected=f"format: {FORMAT}",
                found=f"format: {value.get('format') if isinstance(value, dict) else None}",
            )
        lacking = _lacking(value)
        if lacking:
            raise DataError(
                f"{path} is damaged",
                expected="the method, and a value and an origin of each setting",
                found=f"nothing of the kind under {', '.join(lacking)}",
            )
        return {"settings": {}, "run": {}, **value}

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Writes run.yaml."""
        text = yaml.safe_dump({"format": FORMAT, **settings}, sort_keys=False, allow_unicode=True)
        write_text(self.path / "run.yaml", text)

    def state(self) -> dict[str, Any]:
        """What state.json says; empty before it is first written. Raises DataError when it is
        damaged.
        """
        path = self.path / "state.json"
        value = read_json(path) if path.exists() else {}
        if not isinstance(value, dict):
            raise DataError(
                f"{path} is damaged", expected="a JSON object", found=type(value).__name__
            )
        return value

    def write_state(self, **changes: Any) -> None:
        """Updates state.json."""
        write_json(self.path / "state.json", {**self.state(), **changes})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process. Raises RunBusy, naming the holder, when another has
        it; a lock whose holder died is free. Sweeps left-overs of interrupted writes.
        """
        lock = held(
            self.path / LOCK,
            busy=f"the run folder {self.path} is in use",
            hint="wait for it, or train into another folder",
            elsewhere="give another folder: --runs FOLDER",
        )
        with lock:
            for left_over in list(self.path.rglob(f".*{PART}")):
                remove(left_over)
            yield

    def event(self, kind: str, **values: Any) -> None:
        """Adds a line to events.jsonl."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": kind, **values})
        self._append("events.jsonl", line + "\n")

    def log(self, text: str) -> None:
        """Adds a line to log.txt."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._append("log.txt", f"{now} {text}\n")

    def add_metrics(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Adds a line a value to metrics.csv."""
        fresh = not (self.path / "metrics.csv").exists()
        rows = [[step, phase, name, repr(value)] for name, value in values.items()]
        self._append("metrics.csv", _as_csv([_COLUMNS, *rows] if fresh else rows))

    def metrics(self) -> list[tuple[int, str, str, float]]:
        """The rows of metrics.csv: step, phase, name, value; without a last line cut by a kill.
        Raises DataError when another line is damaged.
        """
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        rows = list(csv.reader(whole.splitlines()))[1:]
        try:
            return [(int(step), phase, name, float(value)) for step, phase, name, value in rows]
        except ValueError as error:
            raise DataError(
                f"{path} is damaged",
                expected=f"lines of {','.join(_COLUMNS)}",
                found=str(error),
                hint="remove the file; it only feeds the curves of the report",
            ) from error

    def forget_metrics_after(self, step: int) -> None:
        """Drops the rows past `step`, which a resumed run writes anew."""
        if not (self.path / "metrics.csv").exists():
            return
        kept = [[*row[:3], repr(row[3])] for row in self.metrics() if row[0] <= step]
        with atomic(self.path / "metrics.csv") as temporary:
            temporary.write_text(_as_csv([_COLUMNS, *kept]), encoding="utf-8", newline="")

    def _append(self, name: str, text: str) -> None:
        try:
            with (self.path / name).open("a", encoding="utf-8", newline="") as handle:
                handle.write(text)
        except OSError as error:
            raise _unwritable(self.path / name, error) from error


def _as_csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write {path}",
        found=error.strerror or str(error),
        hint="free space, or give another folder: --runs FOLDER",
    )


def _lacking(settings: Mapping[str, Any]) -> list[str]:
    """The parts of run.yaml that are not of the promised form."""
    sound = {"method": isinstance(settings.get("method"), str)}
    for part in ("settings", "run"):
        items = settings.get(part, {})
        sound[part] = isinstance(items, dict) and all(
            isinstance(item, dict) and {"value", "origin"} <= item.keys() for item in items.values()
        )
    return [name for name, good in sound.items() if not good]


def list_runs(runs: Path) -> list[RunFolder]:
    """The run folders under `runs`, newest first."""
    if not runs.is_dir():
        return []
    return [RunFolder(path.parent) for path in sorted(runs.glob("*/run.yaml"), reverse=True)]
