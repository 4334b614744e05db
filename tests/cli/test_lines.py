"""`--progress json`: everything on stderr is a line of JSON."""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from histokit.cli import console, lines
from histokit.cli.app import app, globals_first
from histokit.cli.events import shown
from histokit.errors import DataError
from histokit.io.stores import Failure
from histokit.run.events import ItemDone, Noted, Progress
from histokit.run.importing import Imported
from schemas import require_valid

EVENTS = [
    Noted("resampled", warning=True),
    Progress(3, 10, "fit", {"seg": math.nan, "gan": 0.5}, 12.5, 4.0, 0.1),
    ItemDone("a.png", 1, 2, 0.5, {"dice": None}),
    Imported(Path("x.h5"), 1, 1, 1, 3, ("a",), (Failure("b", "torn"),)),
]


@pytest.fixture
def doctor(monkeypatch):
    """Types `histokit doctor WORDS` with the verb replaced by `body`; gives the lines of stderr."""

    def run(body, *words, code=0):
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command()(body)
        monkeypatch.setitem(sys.modules, "histokit.cli.doctor", SimpleNamespace(app=verb))
        done = CliRunner().invoke(app, ["doctor", *words], prog_name="histokit")
        assert done.exit_code == code, done.output
        assert not lines.wanted()
        found = [json.loads(line) for line in done.stderr.splitlines()]
        for line in found:
            require_valid("progress", line)
        return found

    return run


def all_of_them():
    for _ in shown(EVENTS):
        pass
    console.say("42 objects")


@pytest.mark.parametrize("words", [("--progress", "json"), ("--progress=json",)])
def test_a_line_an_event(doctor, words):
    found = doctor(all_of_them, *words)
    names = [line["event"] for line in found]
    assert names == ["noted", "progress", "item_done", "imported", "said"]
    assert found[1]["losses"] == {"seg": None, "gan": 0.5}
    assert found[3]["failures"] == [{"key": "b", "reason": "torn"}]
    assert all(line["format"] == 1 and line["time"].endswith("+00:00") for line in found)


def test_quiet_leaves_errors_alone(doctor):
    def body():
        all_of_them()
        raise DataError("no such image", expected="one", found="x.png", hint="look")

    (line,) = doctor(body, "--progress", "json", "--quiet", code=3)
    told = {"exit_code": 3, "kind": "DataError", "what": "no such image"}
    assert told.items() <= line.items()
    assert (line["expected"], line["found"], line["hint"]) == ("one", "x.png", "look")


def test_whatever_ends_a_command_is_a_line(doctor):
    def ending(error):
        def body():
            raise error

        return body

    json_ = ("--progress", "json")
    assert doctor(ending(KeyboardInterrupt()), *json_, code=130)[0]["exit_code"] == 130
    assert doctor(ending(MemoryError()), *json_, code=6)[0]["hint"]
    assert "ZeroDivision" in doctor(ending(ZeroDivisionError()), *json_, code=1)[0]["what"]
    assert doctor(ending(ValueError()), *json_, "--debug", code=1)[0]["traceback"]
    (usage,) = doctor(all_of_them, *json_, "--jsn", code=2)
    assert "--jsn" in usage["what"]


def test_warnings_of_libraries_are_lines(doctor):
    def body():
        warnings.warn("old thing", FutureWarning, stacklevel=1)

    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        (line,) = doctor(body, "--progress", "json")
    assert line["text"] == "FutureWarning: old thing"
    assert line["warning"]
    assert warnings.showwarning is before


def test_plain_lines_on_a_terminal_too(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    console.be_plain(True)
    try:
        with console.progress() as draw:
            assert type(draw.__self__) is console._PlainLines
    finally:
        console.be_plain(False)


def test_global_options_stand_anywhere():
    words = ["train", "--progress", "json", "mani", "--quiet", "--lr", "1", "--progress=plain"]
    assert globals_first(words) == (
        ["--progress", "json", "--quiet", "--progress=plain"],
        ["train", "mani", "--lr", "1"],
    )


def test_another_word_is_refused():
    done = CliRunner().invoke(app, ["doctor", "--progress", "yaml"], prog_name="histokit")
    assert done.exit_code == 2
    assert "yaml" in done.stderr
