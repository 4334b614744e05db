"""What is shown: results on stdout, everything else on stderr; rich only on a terminal."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TextIO, runtime_checkable

import typer

from histokit.cli import lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_QUIET = {"on": False}
_PLAIN = {"on": False}
EVERY_SECONDS = 10.0
EVERY_SHARE = 0.05
MOST_LOSSES = 12
"""Losses in a line of progress; a method gives the telling ones first."""


@runtime_checkable
class Event(Protocol):
    """One moment of training; `total` and the rates are None where they are not known."""

    @property
    def step(self) -> int:
        """Steps done, from the first of the run."""
        ...

    @property
    def total(self) -> int | None:
        """Steps of the whole run."""
        ...

    @property
    def phase(self) -> str:
        """The phase's name."""
        ...

    @property
    def losses(self) -> Mapping[str, float]:
        """The latest losses by name."""
        ...

    @property
    def images_per_second(self) -> float | None:
        """Speed of late."""
        ...

    @property
    def eta_seconds(self) -> float | None:
        """Time left."""
        ...


def be_quiet(quiet: bool) -> None:
    """Whether `say` and progress are kept off stderr; errors and results are always shown."""
    _QUIET["on"] = quiet


def quiet() -> bool:
    """Whether stderr is for errors alone."""
    return _QUIET["on"]


def as_typed() -> list[str]:
    """The global options that make another command show itself as this one does."""
    shown = "json" if lines.wanted() else "plain" if _PLAIN["on"] else "auto"
    return ["--progress", shown, *(["--quiet"] if quiet() else [])]


def be_plain(plain: bool) -> None:
    """Whether progress is lines of text also on a terminal."""
    _PLAIN["on"] = plain


def coloured(stream: TextIO) -> bool:
    """Whether a stream is a terminal that wants colour; ``NO_COLOR`` says no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dim(text: str, stream: TextIO | None = None) -> str:
    """The text in grey where the stream takes colour."""
    return f"\x1b[2m{text}\x1b[0m" if coloured(stream or sys.stdout) else text


def stdout() -> Console:
    """The rich console of results."""
    return _console(False)


def stderr() -> Console:
    """The rich console of everything else."""
    return _console(True)


@lru_cache(maxsize=2)
def _console(to_stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False)


def say(text: str) -> None:
    """A line of log on stderr, unless ``--quiet``; with ``--progress json`` the event ``said``."""
    if quiet():
        return
    if lines.wanted():
        lines.write("said", {"text": text})
    else:
        typer.echo(text, err=True)


def result(text: str) -> None:
    """A line of the result, on stdout."""
    typer.echo(text)


def result_json(value: Any) -> None:
    """The result as JSON on stdout; NaN and infinity, which JSON lacks, become null."""
    typer.echo(json.dumps(lines.plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def table(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], *, dimmed: Collection[int] = ()
) -> None:
    """A table on stdout: boxed on a terminal, else aligned text that is never cut.

    Args:
        rows: cells by column; None is shown as ``-``.
        columns: the headings.
        dimmed: numbers of the rows to grey out.
    """
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(cells, columns, dimmed)
        return
    flat = [[" ".join(cell.split()) for cell in row] for row in [list(columns), *cells]]
    widths = [max(len(row[index]) for row in flat) for index in range(len(columns))]
    for row in flat:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(padded).rstrip())


def _rich_table(
    cells: Sequence[Sequence[str]], columns: Sequence[str], dimmed: Collection[int]
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for number, row in enumerate(cells):
        style = "dim" if number in dimmed else ""
        drawn.add_row(*(Text(cell, style=style) for cell in row))
    stdout().print(drawn)


@contextmanager
def progress(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[Event], None]]:
    """A function that shows training events: a live line on a terminal, else a line now and then.

    The plain lines come every 10 seconds or 5 % of the steps, whichever comes first, and
    at each new phase and the last step. With ``--quiet`` nothing is shown.
    """
    if quiet():
        yield lambda event: None
    elif sys.stderr.isatty() and not _PLAIN["on"]:
        with _live() as bar:
            yield _LiveLine(bar).show
    else:
        yield _PlainLines(clock).show


def _live() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = [TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn()]
    text = TextColumn("{task.fields[text]}", markup=False)
    return Progress(*columns, text, console=stderr(), transient=False)


class _LiveLine:
    """Draws events into one line; a new phase changes its name."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("", total=None, text="")

    def show(self, event: Event) -> None:
        self.bar.update(
            self.task,
            description=event.phase,
            total=event.total,
            completed=event.step,
            text=details(event),
        )


class _PlainLines:
    """Writes an event as a line where the last one is long enough ago."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.phase = ""
        self.step = 0
        self.at = -math.inf

    def show(self, event: Event) -> None:
        now = self.clock()
        share = event.total * EVERY_SHARE if event.total else math.inf
        last = event.step == event.total
        due = now - self.at >= EVERY_SECONDS or event.step - self.step >= share
        if not (due or last or event.phase != self.phase):
            return
        self.phase, self.step, self.at = event.phase, event.step, now
        steps = f"{event.step}/{event.total}" if event.total else str(event.step)
        say(f"{event.phase} {steps}  {details(event)}".rstrip())


def details(event: Event) -> str:
    """The first losses, speed and time left of an event, as one line."""
    parts = [f"{name} {value:.4g}" for name, value in islice(event.losses.items(), MOST_LOSSES)]
    if len(event.losses) > MOST_LOSSES:
        parts.append(f"and {len(event.losses) - MOST_LOSSES} more in metrics.csv")
    if event.images_per_second is not None:
        parts.append(f"{event.images_per_second:.3g} images/s")
    if event.eta_seconds is not None:
        parts.append(f"{duration(event.eta_seconds)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as ``42 s``, ``3 min 20 s`` or ``1 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
