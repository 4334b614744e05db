"""The card and the settings: light, complete, and refusing what cannot work."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from pydantic import ValidationError

from histokit.config.options import describe
from histokit.config.resolve import Layer, resolve
from histokit_syndiff_pl import SPEC, SynDiffConfig
from histokit_syndiff_pl.limits import legal_batch, side_multiple


def test_card_and_settings_are_torch_free():
    code = "import histokit_syndiff_pl, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_names_the_card():
    (entry,) = entry_points(group="histokit.methods", name="syndiff-pl")
    assert entry.load() is SPEC


@pytest.mark.parametrize("name", sorted(SPEC.presets))
def test_presets_are_legal_settings(name):
    resolve(SynDiffConfig, [Layer(name, SPEC.presets[name].overrides)])


def test_defaults_are_the_published_ones():
    config = SynDiffConfig()
    assert SPEC.presets["paper"].overrides == {}
    assert (config.lr, config.lr_critic, config.lr_min) == (1.6e-4, 1e-4, 1e-5)
    assert (config.tile, config.batch, config.channels) == (512, 1, 1)
    assert config.steps == 501 * config.epoch_steps
    assert (config.segment_steps, config.segment_batch, config.segment_lr) == (250_000, 12, 0.01)
    assert (config.segment_oversample, config.path, config.segmenter) == (
        0.33,
        "both",
        "nnunet-plain",
    )
    assert SPEC.sizes.multiple_of == side_multiple(len(config.factors))


def test_every_setting_is_explained():
    for setting in describe(SynDiffConfig):
        assert setting.help.endswith(".")
        assert "Annotated" not in setting.type


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tile": 272}, "multiple of 32"),
        ({"tile": 32}, "64"),
        ({"batch": 6}, "multiple of"),
        ({"attention_level": 6}, "beyond the last of 6 levels"),
        ({"beta_max": 0.01}, "below beta_min"),
        ({"channels": 2}, "1 or 3"),
        ({"factors": (1, 0)}, "the least is 1"),
        ({"segmenter": "nnunetv2"}, "histokit translate syndiff-pl l2u"),
        ({"path": "tutoring", "use": "adaptive"}, "needs path adaptive or both"),
        ({"path": "tutoring", "use": "unadapted"}, "needs path adaptive or both"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, told):
    with pytest.raises(ValidationError, match=told):
        SynDiffConfig(**settings)


def test_settings_read_from_options():
    typed = {"factors": ["1", "2", "2"], "tile": "72", "batch": "8"}
    config = resolve(SynDiffConfig, [Layer("option", typed)]).config
    assert (config.factors, config.tile, config.batch) == ((1, 2, 2), 72, 8)


def test_legal_batches():
    assert [size for size in range(1, 13) if legal_batch(size)] == [1, 2, 3, 4, 8, 12]
