from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from histokit.config.options import describe, show


class Stain(Enum):
    HE = "he"
    IHC = "ihc"


class Model(BaseModel):
    mi_weight: float = Field(1e-4, gt=0, le=2, description="Weight of\n  the loss.")
    steps: int = Field(3, ge=0)
    pool: Literal["mean", "max"] = "mean"
    scale: Literal[1, 2] = 1
    stain: Stain = Stain.HE
    flip: bool = True
    maybe: bool | None = None
    widths: list[int] = Field(default_factory=lambda: [4, 8])
    split: tuple[float, float] = (0.8, 0.2)
    clip: float | None = Field(None, ge=0)
    out: Path = Path("runs")
    name: str = ""
    source: str = Field("", json_schema_extra={"alias": "labelled_images"})


BY_NAME = {setting.name: setting for setting in describe(Model)}


def test_order_and_help() -> None:
    assert list(BY_NAME) == list(Model.model_fields)
    assert BY_NAME["mi_weight"].help == "Weight of the loss."
    assert BY_NAME["mi_weight"].option == "--mi-weight"
    assert BY_NAME["mi_weight"].options == ("--mi-weight",)


def test_an_option_may_have_a_second_name() -> None:
    assert BY_NAME["source"].option == "--source"
    assert BY_NAME["source"].options == ("--source", "--labelled-images")


@pytest.mark.parametrize(
    ("name", "kind", "default", "bounds"),
    [
        ("mi_weight", "number", "0.0001", "> 0, <= 2"),
        ("steps", "integer", "3", ">= 0"),
        ("pool", "mean|max", "mean", ""),
        ("scale", "1|2", "1", ""),
        ("stain", "he|ihc", "he", ""),
        ("flip", "flag", "true", ""),
        ("maybe", "flag", "none", ""),
        ("widths", "list of integer", "4,8", ""),
        ("split", "list of number", "0.8,0.2", ""),
        ("clip", "number", "none", ">= 0"),
        ("out", "path", "runs", ""),
        ("name", "text", "", ""),
    ],
)
def test_each_kind(name: str, kind: str, default: str, bounds: str) -> None:
    setting = BY_NAME[name]
    assert (setting.type, setting.shown_default, setting.bounds) == (kind, default, bounds)


def test_only_a_plain_bool_is_a_flag() -> None:
    assert [s.name for s in BY_NAME.values() if s.flag] == ["flip"]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_a_shown_default_is_read_back_as_the_default(name: str) -> None:
    setting = BY_NAME[name]
    parsed = setting.parse(setting.shown_default)
    assert getattr(Model.model_validate({name: parsed}), name) == setting.default


def test_lists_and_none() -> None:
    assert BY_NAME["widths"].parse("[1, 2]") == ["1", "2"]
    assert BY_NAME["clip"].parse("None") is None
    assert BY_NAME["name"].parse("none") == "none"
    assert show({"a"}) == "{'a'}"
