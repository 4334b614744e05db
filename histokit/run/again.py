"""`histokit rerun`: the command that makes a run, or the outputs of a folder, once more."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from histokit.config.options import Setting, describe, show
from histokit.config.run import RunConfig
from histokit.errors import DataError, UsageError, VerificationFailed
from histokit.io.files import read_json, within
from histokit.io.runs import RunFolder
from histokit.registry.methods import find_method
from histokit.registry.refs import RUN_FILE, WEIGHTS
from histokit.run.origin import Origin, origin_of
from histokit.run.planned import ORIGIN as PLANNED
from histokit.run.provenance import RECORD

VERBS = ("predict", "translate", "eval")
"""Commands that are taken from a record. A record is a file like any other: no command that
installs, removes or overwrites anything is run because one says so.
"""
NEVER_EQUAL = frozenset({RECORD, "summary.csv", "index.html"})
"""Outputs that hold times."""


@dataclass(frozen=True, slots=True)
class Again:
    """A command to be run once more.

    Attributes:
        words: the command, without ``histokit``.
        folder: where it is run, since its paths may be relative.
        before: the folder of the first outputs; None for a training.
        out: the folder of the new ones; None for a training, which makes its own.
    """

    words: tuple[str, ...]
    folder: Path
    before: Path | None = None
    out: Path | None = None

    @property
    def line(self) -> str:
        """What to type for it here."""
        line = shlex.join(["histokit", *self.words])
        here = self.folder.resolve() == Path.cwd()
        return line if here else f"cd {shlex.quote(str(self.folder))} && {line}"


def again(path: Path, out: Path | None = None) -> Again:
    """The command that made a file or run.

    Args:
        path: a run folder or what training wrote in it, or an output of predict, translate or eval.
        out: where its outputs go; by default beside the first ones. For a run, the folder in which
            the new run folder is made; by default that of the run.

    Raises DataError where no command is recorded, UsageError where it is none to be repeated.
    """
    origin = origin_of(path)
    if origin.run is not None:
        return _training(origin, origin.run, out)
    if not origin.command or origin.record is None:
        raise DataError(
            f"no command is recorded for {path}",
            expected=f"a {RECORD} beside it, or the run folder around it",
            hint=f"histokit provenance {path} shows what is known",
        )
    return _outputs(origin, origin.record.parent, out)


def _training(origin: Origin, run: Path, out: Path | None) -> Again:
    where = (out or run.parent).absolute()
    words = [*train_words(RunFolder.open(run).settings()), "--runs", str(where)]
    return Again(tuple(words), _folder(origin))


def train_words(settings: Mapping[str, Any]) -> list[str]:
    """The command line of a training, from what run.yaml holds.

    What was planned from the data is left to be planned again; of the rest, whatever was typed or
    is no longer the default is said.
    """
    spec = find_method(settings["method"])
    words = ["train", settings["method"]]
    words += ["--preset", settings["preset"]] if settings.get("preset") else []
    for model, stored in ((spec.config, settings["settings"]), (RunConfig, settings["run"])):
        for setting in describe(model):
            item = stored.get(setting.name)
            if setting.name != "runs" and item is not None and _said(setting, item):
                words += _typed(setting, item["value"])
    return words


def _said(setting: Setting, item: Mapping[str, Any]) -> bool:
    if item["origin"] == PLANNED:
        return False
    return item["origin"] != "default" or show(item["value"]) != setting.shown_default


def _typed(setting: Setting, value: Any) -> list[str]:
    if setting.flag:
        return [setting.option if value else f"--no-{setting.option[2:]}"]
    return [setting.option, show(value)]


def _outputs(origin: Origin, before: Path, out: Path | None) -> Again:
    words = _verb_first(origin.command[1:])
    if not words or words[0] not in VERBS:
        raise UsageError(
            f"{origin.record} records no command that is repeated",
            expected=f"one of {', '.join(VERBS)}",
            found=shlex.join(origin.command),
        )
    folder = _folder(origin)
    new = out.absolute() if out is not None else _free(before)
    kept = _without_out(words[1:])
    pinned = _pinned(kept, folder, origin)
    return Again((words[0], *pinned, "--out", str(new), *kept), folder, before, new)


def _verb_first(words: Sequence[str]) -> list[str]:
    """The words without the global options before the verb."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        del rest[: 2 if rest[0] == "--progress" else 1]
    return rest


def _without_out(words: Sequence[str]) -> list[str]:
    """The words without ``-o FOLDER`` in any of its forms."""
    kept: list[str] = []
    skipped = False
    for number, word in enumerate(words):
        if word == "--":
            return [*kept, *words[number:]]
        if skipped or word in ("-o", "--out"):
            skipped = not skipped
        elif not word.startswith("--out=") and (word[:2] != "-o"):
            kept.append(word)
    return kept


def _pinned(words: Sequence[str], folder: Path, origin: Origin) -> list[str]:
    """``--run RUN`` of the recorded run, where the words name only its method: by now another run
    may be the newest.
    """
    weights = origin.recorded.get("weights")
    run = weights.get("run") if isinstance(weights, dict) else None
    named = any(w.endswith(WEIGHTS) or (folder / w / RUN_FILE).is_file() for w in words)
    if (
        not isinstance(run, str)
        or not run
        or named
        or any(w.startswith("--run=") or w == "--run" for w in words)
    ):
        return []
    given = words[words.index("--runs") + 1 :] if "--runs" in words else []
    path = within(folder / (given[0] if given else "runs"), run)
    return ["--run", str(path)] if (path / RUN_FILE).is_file() else []


def _folder(origin: Origin) -> Path:
    """Where the command was typed; here where that is unknown."""
    folder = origin.recorded.get("folder")
    if not isinstance(folder, str):
        return Path.cwd()
    if not Path(folder).is_dir():
        raise DataError(
            f"the folder {folder} is gone, in which the command was typed",
            hint=f"type it where its files are now: {shlex.join(origin.command)}",
        )
    return Path(folder)


def _free(before: Path) -> Path:
    """A new name beside a folder."""
    names = (f"{before.name}-again{number or ''}" for number in count())
    return next(path for name in names if not (path := before.with_name(name)).exists())


def compare(done: Again) -> str:
    """How the new outputs go together with the first ones, in a line; empty for a training.

    Raises VerificationFailed where they come from other weights.
    """
    if done.before is None or done.out is None:
        return ""
    old, new = (read_json(folder / RECORD).get("weights") for folder in (done.before, done.out))
    if old != new:
        raise VerificationFailed(
            "the outputs come from other weights than the first ones",
            expected=str(old),
            found=str(new),
            hint="name the run or weights file with --run",
        )
    names = [name for name in _files(done.before) if (done.out / name).is_file()]
    differing = [n for n in names if _bytes(done.before / n) != _bytes(done.out / n)]
    told = f"{len(names) - len(differing)} of {len(names)} files are the same, byte by byte"
    return told + (f"; not {', '.join(differing[:5])}" if differing else "")


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and name.name not in NEVER_EQUAL:
            yield str(name)


def _bytes(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
