from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel, Field
from typer.testing import CliRunner, Result

from fixtures.fakes import install, install_method
from histokit.cli.app import app
from histokit.cli.lazy import method_command
from histokit.cli.options import CommonFlags
from histokit.config.run import RunConfig
from histokit.registry.methods import KIND

pytestmark = pytest.mark.usefixtures("third")
Train = Callable[..., tuple[list[Any], Result]]


class Run(BaseModel):
    source: str = Field("", description="Where images come from.")
    seed: int = Field(0, ge=0, description="Seed of everything.")
    data_root: Path | None = None
    deterministic: bool = False
    split: tuple[float, float] = (0.5, 0.5)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Train:
    """Types `histokit train WORDS` with a verb that only remembers what it was called with."""

    def run(*words: str, model: type[BaseModel] = Run) -> tuple[list[Any], Result]:
        calls: list[Any] = []
        command = method_command("train", lambda *call: calls.append(call), run=model, help="Go.")
        monkeypatch.setitem(sys.modules, "histokit.cli.train", SimpleNamespace(app=command))
        return calls, CliRunner().invoke(app, ["train", *words], prog_name="histokit")

    return run


def test_only_what_was_typed_is_passed_on(train: Train) -> None:
    calls, result = train("dull", "--lr", "1e-4", "--source", "pebbles")
    assert result.exit_code == 0, result.output
    ((spec, method, run, flags),) = calls
    assert spec.name == "dull"
    assert method == {"lr": "1e-4"}
    assert run == {"source": "pebbles"}
    assert flags == CommonFlags()


def test_source_and_target_have_second_names(train: Train) -> None:
    calls, result = train("dull", "--labelled", "a", "--unlabelled", "b", model=RunConfig)
    assert result.exit_code == 0, result.output
    assert calls[0][2] == {"source": "a", "target": "b"}


def test_each_kind_of_option(train: Train) -> None:
    words = ["--no-flip", "--widths", "1, 2", "--scale", "2", "--pool", "max", "--clip", "none"]
    calls, result = train("dull", *words, "--deterministic", "--split", "0.9,0.1")
    assert result.exit_code == 0, result.output
    ((spec, method, run, _),) = calls
    assert method == {"flip": False, "widths": ["1", "2"], "scale": 2, "pool": "max", "clip": None}
    assert run == {"deterministic": True, "split": ["0.9", "0.1"]}
    config = spec.config.model_validate(method)
    assert (config.flip, config.widths, config.scale) == (False, [1, 2], 2)


def test_common_flags(train: Train) -> None:
    words = ["--config", "a.yaml", "--set", "lr=1", "--set", "b=2", "--preset", "wide"]
    calls, _ = train("dull", *words, "--resume", "runs/x", "--dry-run", "--json")
    assert calls[0][3] == CommonFlags(
        config=Path("a.yaml"),
        set=("lr=1", "b=2"),
        preset="wide",
        resume=Path("runs/x"),
        dry_run=True,
        json=True,
    )


def test_help_shows_every_setting_with_default_and_bounds(train: Train) -> None:
    _, result = train("dull", "--help", model=RunConfig)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "Usage: histokit train dull [OPTIONS]" in text
    assert "--lr FLOAT Learning rate. [default: 0.001; > 0]" in text
    assert "--pool mean|max How pixels become one number. [default: mean]" in text
    assert "--flip / --no-flip Mirror the windows. [default: true]" in text
    assert "--widths INT,… Channels of each level. [default: 4,8]" in text
    assert "--clip FLOAT Largest gradient. [default: none; >= 0]" in text
    for name in RunConfig.model_fields:
        assert "--" + name.replace("_", "-") in text
    positions = [text.index(f"{panel}:") for panel in ("Settings of dull", "The run", "Options")]
    assert positions == sorted(positions)


def test_help_of_the_verb_lists_methods_and_why_one_is_broken(train: Train, site: Path) -> None:
    install_method(site, "bad-kit", "bad", body="raise ValueError('no luck')")
    _, result = train("--help")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "dull calls every dark pixel a nucleus" in text
    assert "bad broken: ValueError: no luck" in text
    calls, result = train("dull")
    assert (len(calls), result.exit_code) == (1, 0)
    _, result = train("bad")
    assert result.exit_code == 4
    assert "pip install --upgrade bad-kit" in result.stderr


def test_no_method_installed_says_what_to_install(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent)])
    _, result = train("--help")
    assert "pip install histokit-mani" in result.stdout


def test_no_method_typed_shows_the_help(train: Train) -> None:
    _, result = train()
    assert result.exit_code == 2
    assert "dull" in result.output


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["dulll"], 2, "did you mean dull?"),
        (["unheard"], 4, "pip install histokit-unheard"),
        (["dull", "--lrr", "1"], 2, "No such option"),
        (["dull", "extra"], 2, "unexpected extra argument"),
        (["--lr", "1"], 2, "No such option"),
        (["dull", "--lr"], 2, "requires an argument"),
    ],
)
def test_what_is_typed_wrong(
    train: Train, words: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cast("dict[str, str]", KIND.published), "unheard", "histokit-unheard")
    calls, result = train(*words)
    assert (calls, result.exit_code) == ([], code)
    assert told in result.stderr
    assert result.stdout == ""


def test_an_unknown_option_is_met_with_the_nearest(train: Train) -> None:
    _, result = train("dull", "--poool", "max")
    assert "--pool" in result.stderr


def test_two_distributions_of_one_name(train: Train, site: Path) -> None:
    install_method(site, "left-kit", "both")
    install_method(site, "right-kit", "both")
    _, result = train("both")
    assert result.exit_code == 4
    assert "type left-kit:both or right-kit:both" in result.stderr
    calls, result = train("right-kit:both")
    assert result.exit_code == 0
    assert calls[0][0].summary == "from right_kit"


def test_a_setting_with_the_name_of_another_option(train: Train, site: Path) -> None:
    body = (
        "from histokit.config.base import MethodConfig\n"
        "from histokit.interfaces.spec import MethodSpec\n"
        "class C(MethodConfig):\n    seed: int = 1\n    debug: bool = False\n"
        "CARD = MethodSpec('greedy', ('segmenter',), 'x', C, 'a:B')\n"
    )
    install_method(site, "greedy-kit", "greedy", body=body)
    _, result = train("greedy")
    assert result.exit_code == 4
    assert "debug, seed" in result.stderr


def test_malformed_metadata_of_a_stranger_stops_nothing(train: Train, site: Path) -> None:
    install(site, "bad-one", "[console_scripts]\nnonsense\n")
    calls, result = train("dull")
    assert (len(calls), result.exit_code) == (1, 0)
