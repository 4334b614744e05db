from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from histokit.config.resolve import DEFAULT, Layer, resolve, resolve_all
from histokit.errors import ConfigError


class Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    lr: float = Field(0.1, gt=0)
    mi_weight: float = Field(1.0, ge=0, le=2)
    pool: Literal["mean", "max"] = "mean"
    widths: list[int] = [4]
    clip: float | None = None


class Shared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str = ""
    runs: Path = Path("runs")


class Pair(BaseModel):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Pair:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


def test_later_layers_win_and_say_so() -> None:
    layers = [
        Layer("preset fast", {"lr": 1.0, "mi_weight": 0.5}),
        Layer("a.yaml", {"lr": 2.0}),
        Layer("option", {"mi-weight": "0.25"}),
    ]
    resolved = resolve(Own, layers)
    assert (resolved.config.lr, resolved.config.mi_weight) == (2.0, 0.25)
    assert dict(resolved.origins) == {
        "lr": "a.yaml",
        "mi_weight": "option",
        "pool": DEFAULT,
        "widths": DEFAULT,
        "clip": DEFAULT,
    }


@given(st.lists(st.dictionaries(st.sampled_from(["lr", "mi_weight"]), st.floats(0.1, 2))))
def test_the_last_layer_with_a_key_gives_it(dicts: list[dict[str, float]]) -> None:
    resolved = resolve(Own, [Layer(str(n), values) for n, values in enumerate(dicts)])
    for key, default in (("lr", 0.1), ("mi_weight", 1.0)):
        setters = [n for n, values in enumerate(dicts) if key in values]
        assert resolved.origins[key] == (str(setters[-1]) if setters else DEFAULT)
        assert getattr(resolved.config, key) == (dicts[setters[-1]][key] if setters else default)


def test_every_problem_of_every_layer_at_once() -> None:
    layers = [
        Layer("preset odd", {"pol": "mean"}),
        Layer("a.yaml", {"lr": -1, "widths": [1, "x"], "zzz": 1}),
        Layer("option", {"mi-weight": "much", "pool": "min"}),
    ]
    with pytest.raises(ConfigError) as caught:
        resolve(Own, layers)
    problems = caught.value.problems
    assert len(problems) == 6
    assert "pol (from preset odd): no such setting; did you mean pool?" in problems
    assert "zzz (from a.yaml): no such setting" in problems
    assert "lr = -1 (from a.yaml): should be greater than 0" in problems
    assert any(p.startswith("widths[1] = 1,x (from a.yaml): should be") for p in problems)
    assert any(p.startswith("mi-weight = much (from option): should be") for p in problems)
    assert any("pool = min (from option)" in p and "'mean' or 'max'" in p for p in problems)
    assert str(caught.value).startswith("6 settings are wrong")
    assert caught.value.exit_code == 3


def test_a_value_that_is_overridden_does_no_harm() -> None:
    assert resolve(Own, [Layer("file", {"lr": -1}), Layer("option", {"lr": 1})]).config.lr == 1


def test_keys_of_several_models_may_be_mixed() -> None:
    layer = Layer("a.yaml", {"lr": 3, "source": "tnbc"})
    own, shared = resolve_all([Own, Shared], [layer])
    assert own.config.lr == 3
    assert shared.config.source == "tnbc"
    assert shared.origins == {"source": "a.yaml", "runs": DEFAULT}
    with pytest.raises(ConfigError) as caught:
        resolve_all([Own, Shared], [layer, Layer("--set", {"lr": 0, "sauce": 1})])
    assert [p.partition(" (")[0] for p in caught.value.problems] == ["sauce", "lr = 0"]
    assert "did you mean source" in caught.value.problems[0]


def test_a_problem_of_the_settings_together_has_no_key() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Pair, [Layer("option", {"low": 5})])
    assert caught.value.problems == ["the settings together: low must not be above high"]


def test_a_bad_default_is_the_authors_and_told_so() -> None:
    class Bad(BaseModel):
        model_config = ConfigDict(validate_default=True)
        lr: float = Field(-1, gt=0)

    with pytest.raises(ConfigError, match=r"lr \(from default\): should be greater than 0"):
        resolve(Bad, [])
