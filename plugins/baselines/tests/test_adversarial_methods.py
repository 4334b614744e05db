"""`dann` and `adversarial-output`: who is trained by what, and what they do on a toy shift."""

from __future__ import annotations

import copy
from importlib.metadata import entry_points

import pytest
import torch
from torch import nn

from histokit.errors import ConfigError, UnknownName
from histokit.interfaces import (
    Access,
    Feed,
    Labelled,
    Network,
    Segmenter,
    Sizes,
    SourceTarget,
    Unlabelled,
)
from histokit.nn.cards import UNET
from histokit.nn.heads import ForegroundHead
from histokit.nn.unet import UNet
from histokit.training.updater import Updater
from histokit_baselines import ADVERSARIAL_OUTPUT, DANN, SOURCE_ONLY
from histokit_baselines.config import SupervisedConfig
from histokit_baselines.reversal import dann_ramp

SIDE = 32
SPECS = {"dann": DANN, "adversarial-output": ADVERSARIAL_OUTPUT}
RIVAL = {"dann": "classifier", "adversarial-output": "discriminator"}
both_methods = pytest.mark.parametrize("name", SPECS)


class ToyContext:
    """A context on the CPU whose every network is a narrow U-Net."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    classes = ()
    outputs = 1
    tile = SIDE
    mpp = None
    sizes = UNET.sizes

    def __init__(self, seed=0):
        self.seed = seed
        torch.manual_seed(seed)

    def network(self, name, in_channels, out_channels, **options):
        module = UNet(in_channels, out_channels, width=8, **options).train()
        return Network(name, module, ForegroundHead(), UNET.taps, self.sizes)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def build(name, seed=0, **settings):
    settings = {"lr": 1e-3, "tile": SIDE} | settings
    spec = SPECS[name]
    return spec.load().build(spec.config(**settings), ToyContext(seed))


def plain(seed=0):
    return SOURCE_ONLY.load().build(SupervisedConfig(lr=1e-3), ToyContext(seed))


def nuclei(seed, count=4, stain=0.3):
    """Dark discs on a bright ground, [count 3 SIDE SIDE], and their ids."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    ids = torch.zeros(count, SIDE, SIDE, dtype=torch.int32)
    for sample in range(count):
        for number in range(1, 5):
            row, column = torch.randint(4, SIDE - 4, (2,), generator=generator)
            ids[sample][(y - row) ** 2 + (x - column) ** 2 < 16] = number
    noise = 0.1 * torch.rand(count, 3, SIDE, SIDE, generator=generator)
    return (torch.where(ids[:, None] > 0, stain, 0.8) + noise).clamp(0, 1), ids


def source(seed=1):
    images, ids = nuclei(seed)
    return Labelled(images, ids, None, tuple(f"source/{i}" for i in range(len(ids))))


def both(seed=1):
    images, _ = nuclei(seed + 100, stain=0.55)
    target = Unlabelled(images, tuple(f"target/{i}" for i in range(len(images))))
    return SourceTarget(source(seed), target)


def steps(method):
    return [phase.step for phase in method.phases()]


def weights(method, *parts):
    return {
        f"{part}.{key}": value.detach().clone()
        for part in parts
        for key, value in method.stateful()[part].named_parameters()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def trained(name, *, warm=3, adapt=2, **settings):
    method = build(name, **settings)
    warm_up, step = steps(method)
    for seed in range(warm):
        warm_up(source(seed))
    losses = [step(both(seed)) for seed in range(adapt)]
    return method, losses


# the cards


@both_methods
def test_the_entry_point_names_the_card(name):
    (entry,) = entry_points(group="histokit.methods", name=name)
    assert entry.load() is SPECS[name]
    assert SPECS[name].access is Access.TARGET_IMAGES


@both_methods
def test_the_plan_is_that_of_the_method_they_stand_beside(name):
    (mani,) = entry_points(group="histokit.methods", name="mani")
    theirs, ours = mani.load(), SPECS[name]
    shared = ("network", "warmup_steps", "adapt_steps", "batch", "tile", "augment", "lr")
    for preset in ({}, "cpu"):
        pair = [
            spec.config(**(spec.presets["cpu"].overrides if preset else {}))
            for spec in (theirs, ours)
        ]
        assert [getattr(pair[0], key) for key in shared] == [
            getattr(pair[1], key) for key in shared
        ]
    feeds = [(phase.name, phase.feed) for phase in build(name).phases()]
    assert feeds == [("warmup", Feed.LABELLED), ("adapt", Feed.SOURCE_TARGET)]
    for preset in ours.presets.values():
        ours.config(**preset.overrides)


def test_unknown_taps_and_small_windows_are_told():
    with pytest.raises(UnknownName, match="decoder_last"):
        build("dann", tap="nowhere")

    class Shrinking(ToyContext):
        sizes = Sizes(min=16, multiple_of=16, shrink=16)

    config = ADVERSARIAL_OUTPUT.config(tile=SIDE)
    with pytest.raises(ConfigError, match="at least 48") as caught:
        ADVERSARIAL_OUTPUT.load().build(config, Shrinking())
    assert caught.value.hint == "--tile 48"


# who is trained by what


@both_methods
def test_warm_up_is_source_only_bit_for_bit_and_leaves_the_rival_alone(name):
    method, control = build(name), plain()
    before = weights(method, RIVAL[name])
    for seed in range(3):
        ours, theirs = steps(method)[0](source(seed)), steps(control)[0](source(seed))
        assert {k: float(v) for k, v in ours.items()} == {k: float(v) for k, v in theirs.items()}
    assert same(weights(method, "network"), weights(control, "network"))
    assert same(weights(method, RIVAL[name]), before)


@both_methods
def test_without_weight_adapting_is_source_only_but_for_batch_norm(name):
    method, control = build(name, weight=0, warmup_steps=0), plain()
    before = weights(method, RIVAL[name])
    for seed in range(3):
        steps(control)[0](source(seed))
        losses = steps(method)[1](both(seed))
    assert same(weights(method, "network"), weights(control, "network"))
    assert not same(weights(method, RIVAL[name]), before)
    buffers = [dict(m.stateful()["network"].named_buffers()) for m in (method, control)]
    assert not same(*buffers)
    assert "domain_accuracy" in losses


@both_methods
def test_with_weight_the_network_learns_otherwise(name):
    settings = {"warmup_steps": 0, "adapt_steps": 4}
    free, _ = trained(name, weight=0, **settings)
    held, _ = trained(name, weight=1, **settings)
    assert not same(weights(free, "network"), weights(held, "network"))


def domain_gradients(strength, monkeypatch):
    """Of the domain loss alone: to a convolution of the decoder, and to the classifier."""
    losses = []
    for weight in (1, 0):  # a weight of 0 keeps the domain out of the network
        method = build("dann", weight=weight)
        monkeypatch.setattr(type(method), "strength", lambda self: strength)
        monkeypatch.setattr(method.updater, "update", losses.append)
        method.adapt_step(both())
        parts = (method.network.module.decoder[3].mix[0].weight, method.classifier.layer.weight)
        losses.append(torch.autograd.grad(losses.pop(), parts))
    (joint, to_classifier), (supervised, _) = losses
    return joint - supervised, to_classifier


def test_the_network_gets_minus_the_strength_times_what_the_classifier_passes(monkeypatch):
    straight, to_classifier = domain_gradients(-1.0, monkeypatch)
    turned, again = domain_gradients(0.25, monkeypatch)
    assert float(straight.abs().max()) > 1e-3
    assert torch.allclose(turned, -0.25 * straight, atol=1e-6)
    assert torch.equal(to_classifier, again)


def test_the_domain_does_not_reach_past_the_tap():
    settings = {"schedule": "constant", "warmup_steps": 0}
    free, held = build("dann", weight=0, **settings), build("dann", weight=1, **settings)
    for method in (free, held):
        steps(method)[1](both())
    heads = [dict(m.network.module.head.named_parameters()) for m in (free, held)]
    assert same(*heads)  # the classifier reads the features below the head


def test_the_network_fools_and_the_discriminator_tells():
    """Each loss falls when its own player alone repeats its step."""
    method, _ = trained("adversarial-output", adapt=3, weight=1)
    batch = both(7)
    frozen = copy.deepcopy(method.discriminator.state_dict())
    fooled = []
    for _ in range(6):
        fooled.append(float(method.adapt_step(batch)["adversarial"]))
        method.discriminator.load_state_dict(frozen)
    assert fooled[-1] < fooled[0]
    method.discriminator.load_state_dict(frozen)
    frozen = copy.deepcopy(method.network.module.state_dict())
    opposed = []
    for _ in range(6):
        opposed.append(float(method.adapt_step(batch)["opponent"]))
        method.network.module.load_state_dict(frozen)
    assert opposed[-1] < opposed[0]


def test_each_player_has_its_own_optimiser():
    method = build("adversarial-output", lr_opponent=2e-4)
    network, rival = method.updater.parameters, method.opponent.parameters
    assert not {id(p) for p in network} & {id(p) for p in rival}
    assert method.opponent.optimiser.param_groups[0]["betas"] == (0.9, 0.99)
    assert method.opponent.lr == 2e-4
    before = method.opponent.count, method.updater.count
    steps(method)[1](both())
    assert (method.opponent.count, method.updater.count) == (before[0] + 1, before[1] + 1)


def test_target_labels_never_matter():
    batch = both()
    masked = Labelled(batch.target.images, batch.source.ids, None, batch.target.keys)
    for name in SPECS:
        results = []
        for seen in (batch, SourceTarget(batch.source, masked)):
            method = build(name, warmup_steps=0, adapt_steps=2)
            steps(method)[1](seen)
            results.append(weights(method, "network", RIVAL[name]))
        assert same(*results)


# schedules and state


def test_the_reversal_ramps_up_from_the_first_adapting_step():
    method, losses = trained("dann", warm=3, adapt=4, warmup_steps=3, adapt_steps=4, weight=0.2)
    expected = [0.2 * dann_ramp(done / 4) for done in range(4)]
    assert [float(found["reversal"]) for found in losses] == pytest.approx(expected, abs=1e-7)
    assert method.strength() == pytest.approx(0.2 * dann_ramp(1))
    _, constant = trained("dann", weight=0.2, schedule="constant")
    assert [float(found["reversal"]) for found in constant] == pytest.approx([0.2, 0.2])


@both_methods
def test_a_restored_method_goes_on_as_if_it_had_never_stopped(name):
    settings = {"warmup_steps": 2, "adapt_steps": 6, "weight": 0.5}
    method, _ = trained(name, warm=2, adapt=3, **settings)
    other = build(name, seed=9, **settings)
    for part, thing in method.stateful().items():
        other.stateful()[part].load_state_dict(copy.deepcopy(thing.state_dict()))
    found = [steps(one)[1](both(5)) for one in (method, other)]
    assert {k: float(v) for k, v in found[0].items()} == {k: float(v) for k, v in found[1].items()}
    parts = ("network", RIVAL[name])
    assert same(weights(method, *parts), weights(other, *parts))


# behaviour


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dann", {}),
        ("dann", {"classifier": "image"}),
        ("dann", {"tap": "bottleneck"}),
        ("adversarial-output", {}),
        ("adversarial-output", {"maps": "entropy"}),
    ],
    ids=str,
)
def test_options_are_finite_logged_and_repeatable(name, settings):
    first, losses = trained(name, adapt=4, **settings)
    again, _ = trained(name, adapt=4, **settings)
    assert same(weights(first, "network"), weights(again, "network"))
    for found in losses:
        assert all(v.ndim == 0 and not v.requires_grad for v in found.values())
        assert all(torch.isfinite(v) for v in found.values())
        assert 0 <= float(found["domain_accuracy"]) <= 1
    assert isinstance(first.segmenter(), Segmenter)
    assert first.warnings({"target_foreground": 0.9}, 10)


@both_methods
def test_half_precision_losses_are_float32(name):
    method = build(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = steps(method)[1](both())
    assert {v.dtype for v in losses.values()} == {torch.float32}
    assert all(torch.isfinite(v) for v in losses.values())


def late_accuracy(method, shifted, *, warm, adapt):
    """Mean accuracy of the rival over the last ten of the adapting steps."""
    for seed in range(warm):
        method.warmup_step(source(seed))
    found = [float(method.adapt_step(shifted(seed))["domain_accuracy"]) for seed in range(adapt)]
    return sum(found[-10:]) / 10


def test_fought_maps_are_harder_to_tell_than_watched_ones():
    """The target is striped; a discriminator sees it in the maps until the network resists."""

    def striped(seed):
        batch, stripes = both(seed), (torch.arange(SIDE) // 2 % 2).float()
        images = batch.target.images * (0.5 + 0.5 * stripes)
        return SourceTarget(batch.source, Unlabelled(images, batch.target.keys))

    watched, fought = (
        late_accuracy(
            build("adversarial-output", weight=weight, lr_opponent=1e-3), striped, warm=20, adapt=30
        )
        for weight in (0, 0.1)
    )
    assert watched > 0.8
    assert fought < watched - 0.15


def test_fought_features_are_harder_to_tell_than_watched_ones():
    """The target is tinted; without batch norm a classifier sees it in every pixel."""

    class Bare(ToyContext):
        def network(self, name, in_channels, out_channels, **options):
            narrow = [nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU()]
            narrow += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, out_channels, 1)]
            taps = {"decoder_last": "3"}
            return Network(name, nn.Sequential(*narrow), ForegroundHead(), taps, self.sizes)

    def tinted(seed):
        batch, tint = both(seed), torch.tensor([1, 0.3, 1])[:, None, None]
        return SourceTarget(batch.source, Unlabelled(batch.target.images * tint, batch.target.keys))

    def method(weight):
        config = DANN.config(weight=weight, lr=1e-2, schedule="constant")
        return DANN.load().build(config, Bare())

    watched, fought = (late_accuracy(method(w), tinted, warm=10, adapt=80) for w in (0, 0.5))
    assert watched > 0.75
    assert fought < 0.6
