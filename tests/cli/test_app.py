from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from fixtures.fakes import THIRD_PARTY
from histokit import __version__, errors
from histokit.cli.app import VERBS, app

Verb = Callable[..., Result]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Types `histokit WORDS` with the verb doctor replaced by `body`."""

    def run(body: Callable[[], Any], *words: str) -> Result:
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command()(body)
        monkeypatch.setitem(sys.modules, "histokit.cli.doctor", SimpleNamespace(app=verb))
        return CliRunner().invoke(app, list(words or ("doctor",)), prog_name="histokit")

    return run


def raising(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


def python(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(THIRD_PARTY), env.pop("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **env},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.UsageError("x"),
        errors.ConfigError(["x"]),
        errors.DataError("x", expected="e", found="f", hint="h"),
        errors.PluginError("x"),
        errors.PartialFailure("x"),
        errors.DeviceError("x"),
        errors.VerificationFailed("x"),
        errors.RunBusy("x"),
        errors.Interrupted("x"),
        errors.HistokitError("x"),
    ],
)
def test_each_error_ends_with_its_code_and_says_itself(
    doctor: Verb, error: errors.HistokitError
) -> None:
    result = doctor(raising(error))
    assert result.exit_code == error.exit_code
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


def test_ctrl_c_and_memory(doctor: Verb) -> None:
    assert doctor(raising(KeyboardInterrupt())).exit_code == 130
    assert doctor(raising(MemoryError())).exit_code == 6
    assert doctor(raising(typer.Exit(3))).exit_code == 3


def test_an_internal_error_is_short_unless_debug(doctor: Verb) -> None:
    result = doctor(raising(ZeroDivisionError("oops")))
    assert result.exit_code == 1
    assert "internal error: ZeroDivisionError: oops" in result.stderr
    assert "test_app.py:" in result.stderr
    assert "histokit doctor" in result.stderr
    assert "Traceback" not in result.output
    for words in (("--debug", "doctor"), ("doctor", "--debug")):
        assert "Traceback" in doctor(raising(ZeroDivisionError("oops")), *words).stderr


def test_debug_shows_where_a_told_error_comes_from(doctor: Verb) -> None:
    result = doctor(raising(errors.DataError("gone")), "doctor", "--debug")
    assert "Traceback" in result.stderr
    assert result.exit_code == 3


def test_quiet_keeps_the_log_off_but_not_errors(doctor: Verb) -> None:
    from histokit.cli import console

    def body() -> None:
        console.say("working")
        console.result("42")

    assert doctor(body).stderr == "working\n"
    quiet = doctor(body, "doctor", "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("42\n", "")
    assert "error: x" in doctor(raising(errors.DataError("x")), "--quiet", "doctor").stderr


def test_words_behind_two_dashes_are_left_alone(doctor: Verb) -> None:
    result = doctor(lambda: None, "doctor", "--", "--debug")
    assert result.exit_code == 2


def test_version_and_help() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).stdout == f"histokit {__version__}\n"
    result = runner.invoke(app, ["--help"], prog_name="histokit")
    assert result.exit_code == 0
    for verb, (_, line) in VERBS.items():
        assert f"{verb} " in result.stdout
        assert line in result.stdout
    assert runner.invoke(app, ["-h"], prog_name="histokit").stdout == result.stdout
    assert runner.invoke(app, [], prog_name="histokit").exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["--nonsense"], "No such option"),
        (["methods", "lst"], "Did you mean 'list'?"),
        (["methods", "list", "--jsn"], "--json"),
        (["methods", "info"], "Missing argument"),
    ],
)
def test_usage_errors_end_with_2(words: list[str], told: str) -> None:
    result = CliRunner().invoke(app, words, prog_name="histokit")
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_python_dash_m_is_the_same_command() -> None:
    done = python("-m", "histokit", "--version")
    assert (done.returncode, done.stdout) == (0, f"histokit {__version__}\n")


@pytest.mark.parametrize("body", ["print('x')", "[typer.echo('x' * 80) for _ in range(10000)]"])
def test_a_reader_that_left_is_met_quietly(body: str) -> None:
    script = (
        "import sys, types, typer\n"
        "from histokit.cli import app\n"
        "verb = typer.Typer(add_completion=False)\n"
        "@verb.command()\n"
        f"def doctor():\n    {body}\n"
        "sys.modules['histokit.cli.doctor'] = types.SimpleNamespace(app=verb)\n"
        "app.main(['doctor'])\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def complete(line: str, *heavier: str) -> list[str]:
    """What bash would offer, having asked in a process that may import nothing heavy."""
    heavy = {"torch", "numpy", "third_party", "histokit_mani", *heavier}
    script = (
        "import sys\nfrom histokit.cli.app import main\ntry:\n    main([])\nfinally:\n"
        f"    print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    )
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = python("-c", script, _HISTOKIT_COMPLETE="complete_bash", **words)
    assert done.stderr.strip() == "[]", done.stderr
    return done.stdout.split()


def test_completion_knows_verbs_methods_data_sets_and_imports_nothing_heavy() -> None:
    assert complete("histokit tr", "pydantic", "rich") == ["train", "translate"]
    assert complete("histokit train du") == ["dull"]
    assert complete("histokit methods info du") == ["dull"]
    assert complete("histokit data verify pe") == ["pebbles"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = python("-m", "histokit", "--help", _HISTOKIT_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert "_HISTOKIT_COMPLETE" in done.stdout
