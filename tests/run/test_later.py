"""Settings that a trained run may take another value of."""

from __future__ import annotations

import pytest
from pydantic import Field

from histokit.config.base import MethodConfig
from histokit.errors import UnknownName, UsageError
from histokit.interfaces import MethodSpec, Preset
from histokit.run.later import later_preset, later_settings, require_later


class Config(MethodConfig):
    """Two settings of training and one that is read afterwards."""

    lr: float = Field(0.1, description="Rate.")
    direction: str = Field("there", description="Way.", json_schema_extra={"later": True})
    width: int = Field(1, description="Width.", json_schema_extra={"unit": "px"})


SPEC = MethodSpec(
    "toy",
    ("translator",),
    "a toy",
    Config,
    "toy:Toy",
    presets={
        "back": Preset(overrides={"direction": "back"}),
        "fast": Preset(overrides={"lr": 1.0, "direction": "back"}),
        "paper": Preset(),
    },
)


def test_marked_fields_are_the_later_settings():
    assert later_settings(Config) == {"direction"}


def test_presets_that_fit_every_run():
    assert later_preset(SPEC, "back") == {"direction": "back"}
    assert later_preset(SPEC, "fast") == later_preset(SPEC, "paper") == later_preset(SPEC, "") == {}
    with pytest.raises(UnknownName):
        later_preset(SPEC, "forth")


def test_settings_of_training_are_refused():
    require_later(SPEC, {"direction": "back"})
    with pytest.raises(UsageError, match="keep the settings") as caught:
        require_later(SPEC, {"direction": "back", "lr": 2})
    assert caught.value.found == "--set lr"
    assert caught.value.expected == "--set direction"
