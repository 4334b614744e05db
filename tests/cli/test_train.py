"""`train` in several processes: one of them speaks, and a series is none of their work."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from histokit.cli.app import app

WRONG = ("train", "source-only", "--source", "synth-he", "--steps", "-1")


@pytest.fixture
def type_(monkeypatch):
    for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words, **environment):
        assert not environment.keys() & os.environ.keys()
        return CliRunner().invoke(app, list(words), prog_name="histokit", env=environment)

    return run


def test_a_wrong_setting_is_told_by_the_first_process_of_a_machine(type_):
    first, second = (type_(*WRONG, LOCAL_RANK=rank) for rank in ("0", "1"))
    assert (first.exit_code, second.exit_code) == (3, 3)
    assert "steps" in first.output
    assert second.output == ""


@pytest.mark.parametrize(
    ("words", "environment"),
    [(("--devices", "2"), {}), (("--nodes", "2"), {}), ((), {"LOCAL_WORLD_SIZE": "2"})],
)
def test_a_series_of_trainings_takes_one_process(type_, words, environment):
    series = ("train", "fdloss", "--base", "synth-he", "--novel-batches", "1")
    done = type_(*series, *words, **environment)
    assert done.exit_code == 2
    assert "a series of trainings runs in one process" in done.output
