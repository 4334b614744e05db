"""MaNi with a frozen start, on a narrow U-Net; and MaNi on HoVer-Net, end to end."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from histokit.config.resolve import Layer, resolve
from histokit.errors import ConfigError, DataError, UnknownName
from histokit.interfaces import Feed, Labelled, Network, SourceTarget, Unlabelled
from histokit.interfaces.spec import load_object
from histokit.nn.cards import HOVERNET, UNET
from histokit.nn.heads import ForegroundHead
from histokit.nn.unet import UNet
from histokit.training.loop import fit
from histokit.training.updater import Updater
from histokit_mani import SPEC, ManiConfig


class ToyContext:
    """A context on the CPU; its network is what its card says, or a narrow U-Net."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    classes = ()
    outputs = 1
    tile = 32
    mpp = None

    def __init__(self, seed=0):
        self.seed = seed
        torch.manual_seed(seed)

    def network(self, name, in_channels, out_channels, **options):
        if name == "hovernet":
            module = load_object(HOVERNET.factory, name)(in_channels, out_channels)
            head = load_object(HOVERNET.head, name)()
            card = HOVERNET
            return Network(name, module.train(), head, card.taps, card.sizes, card.freeze)
        module = UNet(in_channels, out_channels, width=4).train()
        sets = {"reference": ("encoder.1", "encoder.2"), "full": ("encoder",)}
        return Network(name, module, ForegroundHead(), UNET.taps, UNET.sizes, sets)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def build(seed=0, **settings):
    settings = {"lr": 1e-3, "lr_critic": 1e-3, "warmup_steps": 2, "adapt_steps": 4} | settings
    return SPEC.load().build(ManiConfig(**settings), ToyContext(seed))


def batches(side=32, count=2):
    """Feeds of made-up discs, the same for a step each time."""

    def draw(step, stain):
        generator = torch.Generator().manual_seed(step)
        y, x = torch.arange(side)[:, None], torch.arange(side)
        ids = torch.zeros(count, side, side, dtype=torch.int32)
        for sample in range(count):
            for number in range(1, 9):
                row, column = torch.randint(6, side - 6, (2,), generator=generator)
                ids[sample][(y - row) ** 2 + (x - column) ** 2 < side] = number
        noise = 0.1 * torch.rand(count, 3, side, side, generator=generator)
        return (torch.where(ids[:, None] > 0, stain, 0.8) + noise).clamp(0, 1), ids

    def open_feed(feed, start):
        step = start
        while True:
            images, ids = draw(step, 0.3)
            source = Labelled(images, ids, None, ("s",) * count)
            target = Unlabelled(draw(step + 1000, 0.5)[0], ("t",) * count)
            yield source if feed is Feed.LABELLED else SourceTarget(source, target)
            step += 1

    return open_feed


def weights(method, *paths):
    module = method.stateful()["network"]
    return {
        f"{path}.{name}": value.clone()
        for path in paths
        for name, value in module.get_submodule(path).named_parameters()
    }


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("warm", "joint", "frozen", "plan"),
    [
        (2, 4, 3, {"frozen-warmup": 2, "frozen-adapt": 1, "adapt": 3}),
        (2, 4, 2, {"frozen-warmup": 2, "adapt": 4}),
        (2, 4, 1, {"frozen-warmup": 1, "warmup": 1, "adapt": 4}),
        (2, 4, 99, {"frozen-warmup": 2, "frozen-adapt": 4, "adapt": 0}),
        (0, 4, 1, {"frozen-adapt": 1, "adapt": 3}),
    ],
)
def test_phases_of_a_frozen_start(warm, joint, frozen, plan):
    method = build(warmup_steps=warm, adapt_steps=joint, frozen_steps=frozen, freeze="reference")
    assert {phase.name: phase.steps for phase in method.phases()} == plan
    for phase in method.phases():
        feed = Feed.LABELLED if "warmup" in phase.name else Feed.SOURCE_TARGET
        assert phase.feed is feed


def test_nothing_frozen_is_the_plan_without_it():
    method = build(frozen_steps=3)
    assert [(p.name, p.steps, p.before) for p in method.phases()] == [
        ("warmup", 2, None),
        ("adapt", 4, None),
    ]


def test_the_preset_is_the_schedule_of_the_paper():
    config = ManiConfig(**SPEC.presets["hovernet"].overrides)
    epoch = 1323 // 16  # windows of CoNSeP in batches of 16
    assert (config.warmup_steps, config.frozen_steps) == (10 * epoch, 50 * epoch)
    assert config.warmup_steps + config.adapt_steps == 100 * epoch
    assert (config.network, config.batch, config.freeze) == ("hovernet", 16, "reference")
    assert HOVERNET.sizes.allows(config.tile)


def test_frozen_parts_stay_until_they_are_released():
    method = build(freeze="reference", frozen_steps=3)
    held, free = ("encoder.1", "encoder.2"), ("encoder.0", "decoder")
    before = weights(method, *held)
    for record in fit(method.phases(), batches()):
        if record.step == 3:
            assert same(before, weights(method, *held))
            moving = weights(method, *free)
            statistics = method.stateful()["network"].encoder[1][1][1].running_mean
            assert float(statistics.abs().max()) > 0
    assert not same(before, weights(method, *held))
    assert not same(moving, weights(method, *free))


def test_optimisers_start_anew_when_parts_are_released():
    method = build(freeze="full", frozen_steps=3, lr_drop_every=2)
    state = method.stateful()
    counts, critics, rates = [], [], []
    for _ in fit(method.phases(), batches()):
        counts.append(state["updater"].count)
        critics.append(state["updater_critic"].count)
        rates.append(round(state["updater"].optimiser.param_groups[0]["lr"], 6))
    assert counts == [1, 2, 3, 1, 2, 3]
    assert critics == [0, 0, 1, 1, 2, 3]
    assert rates == [1e-3, 1e-3, 1e-4, 1e-3, 1e-3, 1e-4]
    steps = {int(s["step"]) for s in state["updater"].optimiser.state.values()}
    assert steps == {3}


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_resumed_run_is_the_run_that_never_stopped(stop):
    settings = {"freeze": "reference", "frozen_steps": 3}
    whole = build(**settings)
    for record in fit(whole.phases(), batches()):
        if record.step == stop:
            saved = {n: copy.deepcopy(s.state_dict()) for n, s in whole.stateful().items()}
    again = build(seed=7, **settings)

    def restore():
        for name, item in again.stateful().items():
            item.load_state_dict(saved[name])

    for _ in fit(again.phases(), batches(), start=stop, restore=restore):
        pass
    parts = ("encoder", "decoder", "head")
    assert same(weights(whole, *parts), weights(again, *parts))


def test_freezing_for_no_steps_is_told():
    with pytest.raises(ConfigError, match="needs frozen_steps above 0"):
        resolve(ManiConfig, [Layer("option", {"freeze": "full"})])


def test_a_network_without_such_parts_names_its_own():
    class Bare(ToyContext):
        def network(self, name, in_channels, out_channels, **options):
            network = super().network(name, in_channels, out_channels, **options)
            return replace(network, freeze={"stem": ("encoder.0",)})

    config = ManiConfig(freeze="reference", frozen_steps=1)
    with pytest.raises(UnknownName, match="expected: one of stem"):
        SPEC.load().build(config, Bare())


# HoVer-Net itself


@pytest.fixture(scope="module")
def on_hovernet():
    """Two steps on HoVer-Net, the first with a frozen encoder, and what they gave."""
    method = build(
        network="hovernet", warmup_steps=1, adapt_steps=1, freeze="reference", frozen_steps=1
    )
    records = list(fit(method.phases(), batches(104, 1)))
    return method, records


def test_mani_trains_hovernet(on_hovernet):
    _, records = on_hovernet
    first, second = records
    terms = {"np_ce", "np_dice", "hv_mse", "hv_msge"}
    assert set(first.losses) == {"seg"} | terms
    assert set(second.losses) > {"mi", "mi_bound", "target_foreground"} | terms
    assert (first.phase, second.phase) == ("frozen-warmup", "adapt")
    for record in records:
        assert all(torch.isfinite(value) for value in record.losses.values())
        total = sum(float(record.losses[name]) for name in terms)
        assert float(record.losses["seg"]) == pytest.approx(total, rel=1e-5)


def test_mani_taps_hovernet_before_its_last_convolution(on_hovernet):
    state = on_hovernet[0].stateful()
    assert state["projection"][0].in_channels == 64
    assert state["critic"].layers[0].in_features == 128


def test_the_segmenter_gives_the_shrunken_maps(on_hovernet):
    method, _ = on_hovernet
    segmenter = method.segmenter()
    assert segmenter.sizes == HOVERNET.sizes
    method.stateful()["network"].eval()
    with torch.inference_mode():
        maps = segmenter.segment(next(batches(104, 1)(Feed.LABELLED, 0)).images)
    assert maps.logits.shape == maps.extra["hv"].shape == (1, 2, 12, 12)
    ids = segmenter.decode(maps).ids
    assert ids.shape == (12, 12)
    assert ids.dtype == np.int32


def test_a_tile_that_hovernet_does_not_take_is_told(on_hovernet):
    method, _ = on_hovernet
    with pytest.raises(DataError, match="set tile to 96 or 104"):
        method.phases()[0].step(next(batches(100, 1)(Feed.LABELLED, 0)))
