from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO

import pytest

from histokit.cli import console


@dataclass
class Event:
    step: int
    total: int | None = None
    phase: str = "fit"
    losses: Mapping[str, float] = field(default_factory=lambda: {"seg": 0.123456})
    images_per_second: float | None = None
    eta_seconds: float | None = None


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    console._console.cache_clear()
    console.be_quiet(False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    yield
    console._console.cache_clear()
    console.be_quiet(False)


def test_a_piped_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    console.table([["a", None, "x" * 300], ["long name", 2, "two\nlines"]], ["name", "n", "text"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name       n  text"
    assert lines[1] == "a          -  " + "x" * 300
    assert lines[2] == "long name  2  two lines"


def test_a_table_on_a_terminal_takes_cells_literally(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "100")
    console.table([["[red]a[/red]", "b"], ["c", "d"]], ["one", "two"], dimmed=[1])
    assert "[red]a[/red]" in screen.getvalue()
    assert "\x1b[2mc" in screen.getvalue()


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    assert console.dim("x", screen) == "\x1b[2mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.dim("x", screen) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert console.dim("x", screen) == "x"
    assert console.dim("x", StringIO()) == "x"


def test_json_has_null_where_a_number_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    console.result_json({"a": [float("nan"), float("inf"), 1.5], "b": {1: (True, None)}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5], "b": {"1": [True, None]}}


def plain(events: list[tuple[float, Event]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    times = iter([at for at, _ in events])
    with console.progress(lambda: next(times)) as show:
        for _, event in events:
            show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_plain_lines_come_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    lines = plain([(float(t), Event(t)) for t in range(31)], capsys)
    assert [line.split()[1] for line in lines] == ["0", "10", "20", "30"]


def test_plain_lines_come_every_twentieth_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = plain([(0.0, Event(n, 203)) for n in range(1, 204)], capsys)
    steps = [int(line.split()[1].split("/")[0]) for line in lines]
    assert steps[:3] == [1, 12, 23]
    assert steps[-1] == 203
    assert len(steps) == 20


def test_a_new_phase_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    events = [(0.0, Event(1, 100)), (0.1, Event(2, 100, "adapt"))]
    assert [line.split()[0] for line in plain(events, capsys)] == ["fit", "adapt"]


def test_what_a_line_says(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(5, 10, images_per_second=12.345, eta_seconds=200)
    (line,) = plain([(0.0, event)], capsys)
    assert line == "fit 5/10  seg 0.1235  12.3 images/s  3 min 20 s left"


def test_quiet_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    console.be_quiet(True)
    assert plain([(0.0, Event(1, 10))], capsys) == []


def test_a_line_shows_the_first_losses_only() -> None:
    many = Event(1, losses={f"fd_{number}": 0.5 for number in range(console.MOST_LOSSES + 3)})
    line = console.details(many)
    assert line.count("fd_") == console.MOST_LOSSES
    assert line.endswith("and 3 more in metrics.csv")


def test_a_terminal_has_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    with console.progress() as show:
        show(Event(3, 10))
        show(Event(10, 10, "adapt"))
    assert "adapt" in screen.getvalue()
    assert "10/10" in screen.getvalue()
    assert "seg 0.1235" in screen.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert console.duration(seconds) == text
