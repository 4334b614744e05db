"""The run folder: what it holds, who may write in it, and how its state is told.

runs/<utc>_<method>_<hash>/
    run.yaml          every setting with where it came from
    split.json        keys of training, validation and test images of each data set
    env.json          versions, device, command
    state.json        status, step and best score
    events.jsonl      what happened, a line each
    metrics.csv       step, phase, name, value
    log.txt           what was said
    checkpoints/      last.ckpt (to go on), best.safetensors (to use), best.json (its card)
    predictions/      written by predict and eval
    report/           index.html and per_image.csv
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from histokit.errors import DataError, RunBusy
from histokit.io.files import PART, atomic, read_json, write_json, write_text

FORMAT = 1
"""Version of the layout, written in run.yaml."""


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
    def best(self) -> Path:
        """The weights to use."""
        return self.path / "checkpoints" / "best.safetensors"

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
        """What run.yaml says. Raises DataError when it is damaged or of a newer histokit."""
        path = self.path / "run.yaml"
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise DataError(f"cannot read {path}", found=str(error).splitlines()[0]) from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise DataError(
                f"{path} was not written by this version of histokit",
                expected=f"format: {FORMAT}",
                found=f"format: {value.get('format') if isinstance(value, dict) else None}",
            )
        return value

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Writes run.yaml."""
        text = yaml.safe_dump({"format": FORMAT, **settings}, sort_keys=False, allow_unicode=True)
        write_text(self.path / "run.yaml", text)

    def state(self) -> dict[str, Any]:
        """What state.json says; empty before it is first written."""
        path = self.path / "state.json"
        return read_json(path) if path.exists() else {}

    def write_state(self, **changes: Any) -> None:
        """Updates state.json."""
        write_json(self.path / "state.json", {**self.state(), **changes})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder for this process. Raises RunBusy, naming the holder, when another has
        it; a lock whose holder died is free. Sweeps left-overs of interrupted writes.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        holder = self.path / ".holder"
        try:
            lock.acquire()
        except Timeout as error:
            who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
            raise RunBusy(
                f"the run folder {self.path} is in use",
                found=who,
                hint="wait for it, or train into another folder",
            ) from error
        try:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            holder.write_text(f"process {os.getpid()} since {since}", encoding="utf-8")
            for left_over in self.path.rglob(f".*{PART}"):
                left_over.unlink()
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def event(self, kind: str, **values: Any) -> None:
        """Adds a line to events.jsonl."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": kind, **values})
        with (self.path / "events.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")

    def log(self, text: str) -> None:
        """Adds a line to log.txt."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.path / "log.txt").open("a", encoding="utf-8") as handle:
            handle.write(f"{now} {text}\n")

    def add_metrics(self, step: int, phase: str, values: Mapping[str, float]) -> None:
        """Adds a line a value to metrics.csv."""
        path = self.path / "metrics.csv"
        fresh = not path.exists()
        with path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            if fresh:
                writer.writerow(["step", "phase", "name", "value"])
            writer.writerows([step, phase, name, repr(value)] for name, value in values.items())

    def metrics(self) -> list[tuple[int, str, str, float]]:
        """The rows of metrics.csv: step, phase, name, value; without a last line cut by a kill."""
        path = self.path / "metrics.csv"
        if not path.exists():
            return []
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        rows = list(csv.reader(whole.splitlines()))[1:]
        return [(int(step), phase, name, float(value)) for step, phase, name, value in rows]

    def forget_metrics_after(self, step: int) -> None:
        """Drops the rows past `step`, which a resumed run writes anew."""
        kept = [row for row in self.metrics() if row[0] <= step]
        if not (self.path / "metrics.csv").exists():
            return
        with (
            atomic(self.path / "metrics.csv") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as handle,
        ):
            writer = csv.writer(handle)
            writer.writerow(["step", "phase", "name", "value"])
            writer.writerows([*row[:3], repr(row[3])] for row in kept)


def list_runs(runs: Path) -> list[RunFolder]:
    """The run folders under `runs`, newest first."""
    if not runs.is_dir():
        return []
    return [RunFolder(path.parent) for path in sorted(runs.glob("*/run.yaml"), reverse=True)]
