"""MaNi as a whole: its plan, its invariants, its options and its warnings, on tiny networks."""

from __future__ import annotations

import copy
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch

from histokit.errors import UnknownName
from histokit.interfaces import Feed, Labelled, Network, Segmenter, SourceTarget, Unlabelled
from histokit.nn.cards import UNET
from histokit.nn.heads import ForegroundHead
from histokit.nn.taps import with_tap
from histokit.nn.unet import UNet
from histokit.training.updater import Updater
from histokit_mani import SPEC, ManiConfig
from histokit_mani.losses import information, pool_mean, pseudo_label, regions

SIDE = 32


class ToyContext:
    """A context on the CPU whose every network is a narrow U-Net."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    classes = ()
    outputs = 1
    tile = SIDE
    mpp = None

    def __init__(self, seed=0):
        self.seed = seed
        torch.manual_seed(seed)

    def network(self, name, in_channels, out_channels, **options):
        module = UNet(in_channels, out_channels, width=8, **options).train()
        return Network(name, module, ForegroundHead(), UNET.taps, UNET.sizes)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def build(seed=0, **settings):
    settings = {"lr": 1e-3, "lr_critic": 1e-3} | settings
    return SPEC.load().build(ManiConfig(**settings), ToyContext(seed))


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
    ground = torch.where(ids[:, None] > 0, stain, 0.8)
    return (ground + noise).clamp(0, 1), ids


def source(seed=1):
    images, ids = nuclei(seed)
    return Labelled(images, ids, None, tuple(f"source/{i}" for i in range(len(ids))))


def target(seed=2):
    images, ids = nuclei(seed, stain=0.5)
    return Unlabelled(images.flip(1), tuple(f"target/{i}" for i in range(len(ids))))


def both(seed=1):
    return SourceTarget(source(seed), target(seed + 100))


def steps(method):
    warmup, adapt = method.phases()
    return warmup.step, adapt.step


def weights(method, *names):
    state = method.stateful()
    return {
        f"{name}.{key}": value.clone()
        for name in names or ("network", "projection", "critic")
        for key, value in state[name].named_parameters()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def adapted(count=2, **settings):
    method = build(**settings)
    warm, step = steps(method)
    for seed in range(1, 4):
        warm(source(seed))
    losses = [step(both(seed)) for seed in range(1, count + 1)]
    return method, losses


def network_of(method):
    return method.stateful()["network"]


# the card


def test_card_and_settings_are_torch_free():
    code = "import histokit_mani, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_names_the_card():
    (entry,) = entry_points(group="histokit.methods", name="mani")
    assert entry.load() is SPEC


@pytest.mark.parametrize("name", sorted(SPEC.presets))
def test_presets_are_legal_settings(name):
    config = ManiConfig(**SPEC.presets[name].overrides)
    assert config.lr == config.lr_critic == (1e-4 if name in ("repo", "hovernet") else 1e-3)


def test_schedule_of_the_paper(vectors):
    entry = next(e for e in vectors("mani")["vectors"] if e["name"] == "schedule_counts")
    warmup, adapt = build().phases()
    assert warmup.steps == entry["expected"]["warmup_steps_paper"]
    assert adapt.steps == entry["expected"]["mi_steps_paper"]
    assert (warmup.feed, adapt.feed) == (Feed.LABELLED, Feed.SOURCE_TARGET)


def test_unknown_tap_names_the_known_ones():
    with pytest.raises(UnknownName, match="decoder_last"):
        build(tap="decoder")


# the parts


def test_everything_trained_is_stateful():
    method, _ = adapted()
    other = build(seed=5)
    assert not same(weights(method), weights(other))
    for name, part in method.stateful().items():
        other.stateful()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    assert same(weights(method), weights(other))
    for one in (method, other):
        steps(one)[1](both(9))
    assert same(weights(method), weights(other))


def test_building_leaves_the_network_as_it_was():
    torch.manual_seed(0)
    fresh = UNet(3, 1, width=8)
    method = build()
    assert same(dict(fresh.named_parameters()), dict(network_of(method).named_parameters()))
    assert same(dict(fresh.named_buffers()), dict(network_of(method).named_buffers()))
    assert network_of(method).training


@pytest.mark.parametrize(("tap", "channels"), [("decoder_last", 8), ("bottleneck", 64)])
def test_projection_and_critic_fit_the_tap(tap, channels):
    state = build(tap=tap).stateful()
    assert state["projection"][0].in_channels == channels
    assert state["critic"].layers[0].in_features == 2 * channels


def test_segmenter_reads_the_trained_network():
    method, _ = adapted()
    segmenter = method.segmenter()
    assert isinstance(segmenter, Segmenter)
    assert segmenter.sizes == UNET.sizes
    network_of(method).eval()
    images = source().images
    with torch.inference_mode():
        maps = segmenter.segment(images)
        assert torch.equal(maps.logits, network_of(method)(images))


def test_warm_up_is_segmentation_alone():
    method = build()
    before = weights(method)
    losses = steps(method)[0](source())
    assert set(losses) == {"seg", "bce", "dice"}
    assert float(losses["seg"]) == pytest.approx(float(losses["bce"] + losses["dice"]))
    after = weights(method)
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"network"}


def test_a_joint_step_moves_all_three_and_logs_scalars():
    method = build()
    before = weights(method)
    losses = steps(method)[1](both())
    after = weights(method)
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"network", "projection", "critic"}
    assert set(losses) == {
        *("seg", "bce", "dice", "mi", "mi_bound", "mean_t_pos", "mean_t_neg"),
        *("empty_pseudo", "target_foreground", "cosine"),
    }
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.values())
    assert float(losses["mi"] + losses["mi_bound"]) == pytest.approx(2 * 0.6931472, abs=1e-5)


# the invariants of the specification, section 11.5


@pytest.mark.parametrize("bn", ["separate", "target_only"])
def test_without_weight_training_is_source_only_but_for_batch_norm(bn):
    plain, method = build(), build(mi_weight=0, bn=bn)
    for seed in range(3):
        steps(plain)[0](source(seed))
        losses = steps(method)[1](both(seed))
    assert same(weights(plain), weights(method))
    buffers = [dict(network_of(one).named_buffers()) for one in (plain, method)]
    assert not same(*buffers)
    assert "mi" in losses


def test_mutual_information_reaches_the_decoder_but_not_the_head():
    method = build()
    state = method.stateful()
    network, batch = state["network"], both()
    path = UNET.taps["decoder_last"]
    _, here = with_tap(network, path, batch.source.images)
    logits, there = with_tap(network, path, batch.target.images)
    loss = information(
        state["critic"],
        regions(state["projection"](there), pseudo_label(logits), pool_mean),
        regions(state["projection"](here), (batch.source.ids[:, None] > 0).float(), pool_mean),
    ).loss
    loss.backward()
    assert all(p.grad is None for p in network.head.parameters())
    assert all(float(p.grad.abs().max()) > 0 for p in network.decoder[3].mix[0].parameters())


def test_swapped_labels_swap_the_loss():
    batch = both()
    method = build(mi_weight=0)
    swapped_ids = (batch.source.ids == 0).int()
    swapped = Labelled(batch.source.images, swapped_ids, None, batch.source.keys)
    first = steps(method)[1](batch)
    second = steps(build(mi_weight=0))[1](SourceTarget(swapped, batch.target))
    assert float(first["mean_t_pos"]) == pytest.approx(float(second["mean_t_neg"]), abs=1e-6)
    assert float(first["mean_t_neg"]) == pytest.approx(float(second["mean_t_pos"]), abs=1e-6)


def test_a_target_without_nuclei_is_harmless():
    method = build()
    state = method.stateful()
    network, batch = state["network"], both()
    with torch.no_grad():
        network.head.bias.fill_(-100.0)
    logits, there = with_tap(network, UNET.taps["decoder_last"], batch.target.images)
    there.retain_grad()
    empty = regions(state["projection"](there), pseudo_label(logits), pool_mean)
    features = torch.rand(4, 8, SIDE, SIDE)
    labelled = regions(features, (batch.source.ids[:, None] > 0).float(), pool_mean)
    loss = information(state["critic"], empty, labelled).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.equal(there.grad, torch.zeros_like(there))
    losses = steps(method)[1](batch)
    assert float(losses["empty_pseudo"]) == 1
    assert float(losses["target_foreground"]) == 0
    assert all(torch.isfinite(value) for value in losses.values())


def test_target_labels_never_matter():
    batches = [both()]
    for seed in (7, 8):
        ids = torch.randint(0, 9, (4, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))
        unlabelled = batches[0].target
        masked = Labelled(unlabelled.images, ids.int(), None, unlabelled.keys)
        batches.append(SourceTarget(batches[0].source, masked))
    results = []
    for batch in batches:
        method = build()
        steps(method)[1](batch)
        results.append(weights(method))
    assert same(results[0], results[1])
    assert same(results[1], results[2])
    assert not hasattr(batches[0].target, "ids")


# behaviour over many steps


def test_the_bound_rises_and_a_seed_decides_everything():
    first, losses = adapted(count=25)
    bounds = [float(found["mi_bound"]) for found in losses]
    assert sum(bounds[-5:]) > sum(bounds[:5]) + 0.5
    assert all(torch.isfinite(v) for found in losses for v in found.values())
    again, _ = adapted(count=25)
    assert same(weights(first), weights(again))


@pytest.mark.parametrize(
    "settings",
    [
        {"pool": "max"},
        {"pool": "random"},
        {"pool": "random", "random_pixels": 1},
        {"critic": "dot"},
        {"critic": "conv"},
        {"critic_hidden": 64},
        {"negatives": "source_bg+target_bg"},
        {"detach_target_features": True},
        {"bn": "joint"},
        {"tap": "bottleneck"},
        {"mi_weight": 0.1},
        {"pseudo_threshold": 0.55},
    ],
    ids=str,
)
def test_options_are_finite_and_matter(settings):
    default, _ = adapted()
    method, losses = adapted(**settings)
    assert all(torch.isfinite(value) for found in losses for value in found.values())
    assert not same(weights(default, "network"), weights(method, "network"))


def test_skipping_empty_pairs_matters():
    batch = both()
    batch.source.ids[1] = 0
    kept, skipped = build(), build(skip_empty=True)
    losses = [steps(method)[1](batch) for method in (kept, skipped)]
    assert float(losses[0]["mi"]) != float(losses[1]["mi"])
    assert not same(weights(kept, "network"), weights(skipped, "network"))


@pytest.mark.parametrize("detach", [False, True])
def test_detaching_keeps_the_gradient_of_the_target_out(detach):
    method = build(detach_target_features=detach)
    passes = []

    def watch(module, inputs, features):
        number = len(passes)
        passes.append(False)
        features.register_hook(lambda _: passes.__setitem__(number, True))

    network_of(method).decoder[3].mix.register_forward_hook(watch)
    steps(method)[1](both())
    assert passes == [True, not detach]


def test_bn_policies_see_what_they_promise():
    def statistics(bn, source_seed):
        method = build(bn=bn)
        steps(method)[1](SourceTarget(source(source_seed), target()))
        return dict(network_of(method).named_buffers())

    assert same(statistics("target_only", 1), statistics("target_only", 5))
    assert not same(statistics("separate", 1), statistics("separate", 5))
    counted = {bn: statistics(bn, 1) for bn in ("separate", "joint", "target_only")}
    batches = {bn: int(b["encoder.0.1.num_batches_tracked"]) for bn, b in counted.items()}
    assert batches == {"separate": 2, "joint": 1, "target_only": 1}


def test_separate_passes_end_with_the_target():
    method = build()
    first = network_of(method).encoder[0]
    batch = both()
    with torch.no_grad():
        here, there = (first[0](b.images).mean((0, 2, 3)) for b in (batch.source, batch.target))
    steps(method)[1](batch)
    expected = 0.9 * (0.1 * here) + 0.1 * there
    assert torch.allclose(first[1].running_mean, expected, atol=1e-6)


def test_half_precision_losses_are_float32():
    method = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = steps(method)[1](both())
    assert {value.dtype for value in losses.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in losses.values())


# warnings

SOUND = {
    "mi": 1.0,
    "mi_bound": 0.4,
    "mean_t_pos": 1.5,
    "mean_t_neg": -1.0,
    "target_foreground": 0.2,
}


@pytest.mark.parametrize(
    ("changes", "step", "word"),
    [
        ({"target_foreground": 0.004}, 1500, "pseudo-label"),
        ({"target_foreground": 0.61}, 1500, "pseudo-label"),
        ({"mi_bound": 0.009}, 3000, "critic is not learning"),
        ({"mi_bound": -0.2}, 9000, "critic is not learning"),
        ({"mean_t_pos": 4.0, "mean_t_neg": 5.0}, 1500, "features may have collapsed"),
        ({"mean_t_pos": -4.0, "mean_t_neg": -5.0}, 1500, "features may have collapsed"),
    ],
)
def test_known_failures_are_told(changes, step, word):
    (warning,) = build().warnings(SOUND | changes, step)
    assert word in warning


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, 9000),
        ({"target_foreground": 0.005}, 1500),
        ({"mi_bound": 0.009}, 2999),
        ({"mi_bound": 0.01}, 9000),
        ({"mean_t_pos": 8.0, "mean_t_neg": -8.0}, 1500),
        ({"mean_t_pos": 8.0, "mean_t_neg": 2.0}, 1500),
    ],
)
def test_sound_training_is_quiet(changes, step):
    assert list(build().warnings(SOUND | changes, step)) == []


def test_warm_up_has_nothing_to_warn_of():
    assert list(build().warnings({"seg": 1.0, "bce": 0.5, "dice": 0.5}, 10)) == []
