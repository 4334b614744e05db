"""The controls do what their names say, and no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histokit.interfaces import Access, Feed, Labelled, Unlabelled
from histokit.run.context import RunContext
from histokit.run.machine import open_machine
from histokit_baselines import ADABN, ADVERSARIAL_OUTPUT, DANN, ORACLE, OTSU_HED, SOURCE_ONLY
from histokit_baselines.adabn import norms_of
from histokit_baselines.config import AdaBNConfig, OtsuConfig, SupervisedConfig

SMALL = {"network": "unet-small", "tile": 32, "batch": 2}


def _build(spec, config):
    torch.manual_seed(0)
    return spec.load().build(config, RunContext(open_machine("cpu"), tile=32))


def _labelled(seed=0):
    torch.manual_seed(seed)
    images = torch.rand(2, 3, 32, 32)
    return Labelled(images, (images[:, 0] > 0.5).int(), None, ("a", "b"))


def _unlabelled(seed):
    return Unlabelled(_labelled(seed).images * 0.3, ("c", "d"))


def test_source_only_learns():
    method = _build(SOURCE_ONLY, SupervisedConfig(**SMALL, steps=40, lr=1e-2))
    (phase,) = method.phases()
    assert phase.feed is Feed.LABELLED
    losses = [float(phase.step(_labelled())["seg"]) for _ in range(phase.steps)]
    assert losses[-1] < 0.5 * losses[0]


def test_oracle_is_the_same_training_on_other_labels():
    assert ORACLE.factory == SOURCE_ONLY.factory
    assert ORACLE.access is Access.TARGET_LABELS
    assert SOURCE_ONLY.access is Access.SOURCE


def test_adabn_is_source_only_until_its_second_phase():
    adabn = _build(ADABN, AdaBNConfig(**SMALL, steps=3))
    plain = _build(SOURCE_ONLY, SupervisedConfig(**SMALL, steps=3))
    for _ in range(3):
        adabn.phases()[0].step(_labelled())
        plain.phases()[0].step(_labelled())
    ours, theirs = adabn.network.module.state_dict(), plain.network.module.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_adabn_takes_the_statistics_of_the_target_and_keeps_the_weights():
    method = _build(ADABN, AdaBNConfig(**SMALL, steps=1, adabn_steps=3))
    method.phases()[0].step(_labelled())
    weights = {n: p.detach().clone() for n, p in method.network.module.named_parameters()}
    phase = method.phases()[1]
    assert phase.feed is Feed.UNLABELLED
    phase.before()
    inputs = []
    first = next(m for m in method.network.module.modules() if isinstance(m, torch.nn.Conv2d))
    for seed in (1, 2, 3):
        batch = _unlabelled(seed)
        inputs.append(first(batch.images).mean((0, 2, 3)))
        phase.step(batch)
    norm = norms_of(method.network.module)[0]
    assert torch.allclose(norm.running_mean, torch.stack(inputs).mean(0), atol=1e-5)
    after = dict(method.network.module.named_parameters())
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_otsu_finds_haematoxylin_and_nothing_in_a_blank_image():
    method = _build(OTSU_HED, OtsuConfig())
    assert list(method.phases()) == []
    image = torch.full((1, 3, 64, 64), 0.95)
    rows, columns = np.mgrid[:64, :64]
    for centre in ((20, 20), (44, 40)):
        disc = torch.from_numpy((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 64)
        image[0, :, disc] = torch.tensor([0.35, 0.25, 0.6])[:, None]
    found = method.decode(method.segment(image))
    assert found.ids.max() == 2
    assert found.ids[20, 20] != found.ids[44, 40] != 0
    blank = method.decode(method.segment(torch.full((1, 3, 64, 64), 0.95)))
    assert blank.ids.max() == 0


@pytest.mark.parametrize("spec", [SOURCE_ONLY, ORACLE, ADABN, OTSU_HED])
def test_cards_and_presets_resolve(spec):
    for preset in spec.presets.values():
        spec.config(**preset.overrides)
    assert all(field.description for field in spec.config.model_fields.values())


@pytest.mark.parametrize(
    ("spec", "settings", "optimisers"),
    [
        (SOURCE_ONLY, {}, ("updater",)),
        (ADABN, {}, ("updater",)),
        (DANN, {}, ("updater",)),
        (ADVERSARIAL_OUTPUT, {"tile": 64}, ("updater", "opponent")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_learning_rate_drops_tenfold(spec, settings, optimisers):
    chosen = SMALL | {"lr": 1e-3, "lr_drop_every": 2} | settings
    method = _build(spec, spec.config(**chosen))
    for name in optimisers:
        updater = method.stateful()[name]
        start = updater.lr
        assert [start * updater.schedule(n) for n in (0, 1, 2, 4)] == pytest.approx(
            [start, start, start / 10, start / 100]
        )
