"""The method as a whole: its plan, its warm start, its presets, its options, its warnings."""

from __future__ import annotations

import copy
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from histokit.errors import ConfigError, DataError, UnknownName, UsageError
from histokit.interfaces import Access, Feed, Labelled, Network, Segmenter
from histokit.nn.cards import HOVERNET_SAME, UNET
from histokit.nn.heads import ClassHead, ForegroundHead
from histokit.nn.hovernet import HoVerNet
from histokit.nn.hovernet_head import HoverHead
from histokit.nn.unet import UNet
from histokit.training.updater import Updater
from histokit_fdloss import EPOCH, SPEC, FdLossConfig
from histokit_fdloss.segmentation import segmentation_terms

SIDE = 32
NAMES = ("enc1", "dec1", "enc2", "dec2", "enc3", "dec3", "enc4", "dec4", "bottleneck")
UNET_TAPS = UNET.taps | {
    "enc1": "encoder.0",
    "enc2": "encoder.1.1",
    "enc3": "encoder.2.1",
    "enc4": "encoder.3.1",
    "dec1": "decoder.3.mix",
    "dec2": "decoder.2.mix",
    "dec3": "decoder.1.mix",
    "dec4": "decoder.0.mix",
}
HOVER_TAPS = HOVERNET_SAME.taps | {
    "enc1": "encoder.d0",
    "enc4": "encoder.d3",
    "dec1": "branches.np.u0.relu",
    "dec3": "branches.np.u3",
}


class ToyContext:
    """A context on the CPU whose every network is a narrow U-Net, but for HoVer-Net."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    tile = SIDE
    mpp = None

    def __init__(self, seed=0, classes=(), taps=UNET_TAPS):
        self.seed = seed
        self.classes = classes
        self.taps = taps
        torch.manual_seed(seed)

    @property
    def outputs(self):
        return len(self.classes) + 1 if self.classes else 1

    def network(self, name, in_channels, out_channels, **options):
        if name == "hovernet-same":
            module = HoVerNet(in_channels, out_channels, mode="same")
            return Network(name, module, HoverHead(), HOVER_TAPS, HOVERNET_SAME.sizes)
        head = ClassHead() if out_channels > 1 else ForegroundHead()
        module = UNet(in_channels, out_channels, width=8, **options).train()
        return Network(name, module, head, self.taps, UNET.sizes)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def build(context=None, **settings):
    settings = {"network": "unet", "lr": 1e-3} | settings
    return SPEC.load().build(FdLossConfig(**settings), context or ToyContext())


def preset(name, **settings):
    return build(**{**SPEC.presets[name].overrides, "network": "unet", "lr": 1e-3, **settings})


def batch(seed=1, count=4, keys=None):
    """Dark discs on a bright ground; the keys are those of a pool of two data sets."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    ids = torch.zeros(count, SIDE, SIDE, dtype=torch.int32)
    for sample in range(count):
        for number in range(1, 5):
            row, column = torch.randint(6, SIDE - 6, (2,), generator=generator)
            ids[sample][(y - row) ** 2 + (x - column) ** 2 < 49] = number
    noise = 0.1 * torch.rand(count, 3, SIDE, SIDE, generator=generator)
    images = (torch.where(ids[:, None] > 0, 0.3, 0.8) + noise).clamp(0, 1)
    members = ("tnbc", "monuseg")
    keys = keys or tuple(f"source:tnbc+monuseg/{members[i % 2]}/{i}" for i in range(count))
    return Labelled(images, ids, (ids > 2).long() + (ids > 0).long(), keys)


def empty_batch():
    full = batch()
    return Labelled(full.images, torch.zeros_like(full.ids), None, full.keys)


def steps(method):
    warmup, penalised = method.phases()
    return warmup.step, penalised.step


def network_of(method):
    return method.stateful()["network"]


def state(method):
    return {key: value.clone() for key, value in network_of(method).state_dict().items()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def alphas_in(losses):
    return {name: float(losses[f"alpha_{name}"]) for name in NAMES}


def plain_training(count, loss, seed=0, **options):
    """The network after a loop that knows nothing of fdloss, and what it lost."""
    network = ToyContext(seed).network("unet", 3, 1)
    updater = Updater([network.module], 1e-3, **options)
    lost = []
    for number in range(count):
        one = batch(number)
        total = torch.stack(list(loss(network, network(one.images), one).values())).sum()
        updater.update(total)
        lost.append(total.detach())
    return dict(network.module.state_dict()), lost


def paper_loss(network, output, one):
    return segmentation_terms("dice+bce", output, (one.ids[:, None] > 0).float())


# the card


def test_card_and_settings_are_torch_free():
    code = "import histokit_fdloss, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_names_the_card():
    (entry,) = entry_points(group="histokit.methods", name="fdloss")
    assert entry.load() is SPEC
    assert SPEC.access is Access.SOURCE


def test_presets_and_settings_are_legal_and_told():
    for name in SPEC.presets:
        FdLossConfig(**SPEC.presets[name].overrides)
    assert list(SPEC.presets) == [
        "stable", "paper", "plain", "released", "exchange", "cpu",
    ]  # fmt: skip
    assert not SPEC.presets["stable"].overrides
    assert all(field.description for field in FdLossConfig.model_fields.values())


def test_phases_are_the_epochs_of_the_paper():
    warmup, penalised = build().phases()
    assert EPOCH == 40 * 5 / 4
    assert (warmup.name, warmup.steps, warmup.feed) == ("warmup", 100 * EPOCH, Feed.LABELLED)
    assert (penalised.name, penalised.steps) == ("penalised", 75 * EPOCH)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exchange": "algo1", "batch": 1}, "leaves nothing to compare with"),
        ({"exchange": "eq2"}, "novel"),
        ({"exchange": "algo1", "exchange_shift": 4}, "below batch"),
        ({"form": "appendix"}, "pool sum"),
        ({"seg_loss": "dice+bce-twice"}, "released"),
    ],
)
def test_settings_that_do_not_go_together(settings, words):
    with pytest.raises(ValidationError, match=words):
        FdLossConfig(**settings)


def test_a_network_without_layers_is_told():
    with pytest.raises(UsageError, match="bottleneck"):
        build(ToyContext(taps={"decoder_last": "decoder.3.mix"}))
    with pytest.raises(UnknownName, match="enc1"):
        build(layers="enc9")


# the parts


def test_building_leaves_network_and_random_numbers_as_they_were():
    torch.manual_seed(0)
    fresh = UNet(3, 1, width=8)
    random = torch.get_rng_state()
    method = build()
    assert torch.equal(torch.get_rng_state(), random)
    assert same(dict(fresh.state_dict()), state(method))
    assert network_of(method).training


def test_everything_trained_is_stateful():
    method, other = build(), build(ToyContext(5))
    for step in steps(method):
        step(batch())
    for name, part in method.stateful().items():
        other.stateful()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    assert same(state(method), state(other))
    logs = [steps(one)[1](batch(9)) for one in (method, other)]
    assert same(*logs)
    assert same(state(method), state(other))
    assert method.alphas() == other.alphas()


def test_it_segments_with_the_trained_network():
    method = build()
    steps(method)[1](batch())
    assert isinstance(method, Segmenter)
    assert (method.sizes, method.channels) == (UNET.sizes, 3)
    network_of(method).eval()
    with torch.inference_mode():
        maps = method.segment(batch().images)
        assert torch.equal(maps.logits, network_of(method)(batch().images))
        one = method.decode(method.segment(batch().images[:1]))
    assert one.ids.shape == (SIDE, SIDE)


# the warm start and the baseline


def test_warm_start_is_the_baseline_bit_for_bit():
    expected, lost = plain_training(4, paper_loss)
    method = build()
    logs = [steps(method)[0](batch(number)) for number in range(4)]
    assert same(state(method), expected)
    assert all(torch.equal(log["seg"], one) for log, one in zip(logs, lost, strict=True))
    assert set(method.alphas().values()) == {0.0}
    assert method.stateful()["updater_alpha"].count == 0
    assert set(logs[0]) == {"seg", "bce", "dice", "skipped", *(f"fd_{n}" for n in NAMES)}


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha_mode": "fixed", "alpha_max": 0.0},
        {"alpha_mode": "ramp", "alpha_max": 0.0},
        {"alpha_mode": "descent"},
        {"alpha_mode": "descent", "exchange": "cross_pairs", "novel": "monuseg"},
    ],
    ids=str,
)
def test_alpha_of_0_is_the_baseline_bit_for_bit(settings):
    expected, lost = plain_training(4, paper_loss)
    method = build(**settings)
    logs = [steps(method)[1](batch(number)) for number in range(4)]
    assert same(state(method), expected)
    assert all(torch.equal(log["seg"], one) for log, one in zip(logs, lost, strict=True))
    assert all(float(log["penalty"]) == 0 for log in logs)
    assert all(set(alphas_in(log).values()) == {0.0} for log in logs)


def test_loss_of_the_head_is_plain_supervised_training():
    expected, _ = plain_training(3, lambda network, out, one: network.head.losses(out, one))
    method = build(seg_loss="network")
    for number in range(3):
        steps(method)[0](batch(number))
    assert same(state(method), expected)


def test_released_preset_trains_a_plain_network(vectors):
    entries = vectors("fdloss")["vectors"]
    expected = next(e for e in entries if e["name"] == "released_alpha_is_inert")["expected"]
    plain, _ = plain_training(
        3,
        lambda _, out, one: segmentation_terms("dice+iou", out, (one.ids[:, None] > 0).float()),
        optimiser="adamw",
        weight_decay=0.004,
    )
    method = preset("released")
    for number in range(3):
        log = steps(method)[1](batch(number))
        assert float(log["penalty"]) == expected["feature_losses"]
        assert set(alphas_in(log).values()) == {expected["alpha_after_training"]}
    assert same(state(method), plain)
    assert float(log["fd_enc1"]) != 0


# the penalty


def test_the_penalty_starts_with_the_second_step_of_its_phase():
    plain, method = build(alpha_mode="fixed", alpha_max=0.0), build()
    for one in (plain, method):
        steps(one)[0](batch(0))
        first = steps(one)[1](batch(1))
    assert same(state(plain), state(method))
    assert all(alpha > 0 for alpha in alphas_in(first).values())
    for one in (plain, method):
        second = steps(one)[1](batch(2))
    assert float(second["penalty"]) > 0
    assert not same(state(plain), state(method))


def test_the_total_by_hand():
    method = build(alpha_mode="fixed", alpha_max=0.25)
    reference = copy.deepcopy(network_of(method))
    found = method.distances(batch())
    log = steps(method)[1](batch())
    values = {name: float(log[f"fd_{name}"]) for name in NAMES}
    assert float(log["penalty"]) == pytest.approx(0.25 * sum(values.values()), rel=1e-5)
    assert found.keys() == values.keys()
    for name in NAMES:
        each = found[name][~torch.isnan(found[name])]
        assert values[name] == pytest.approx(float(each.mean()), rel=1e-4)
    optimiser = torch.optim.Adam(reference.parameters(), lr=1e-3)
    features = {}
    for name in NAMES:
        part = reference.get_submodule(UNET_TAPS[name])
        part.register_forward_hook(lambda _m, _i, out, name=name: features.update({name: out}))
    output = reference(batch().images)
    truth = (batch().ids[:, None] > 0).float()
    total = sum(paper_loss(None, output, batch()).values())
    for name in NAMES:
        f = features[name]
        m = nn.functional.avg_pool2d(truth, SIDE // f.shape[-1])
        inside, outside = (f * m).sum((2, 3)), (f * (1 - m)).sum((2, 3))
        inside, outside = inside / m.sum((2, 3)), outside / (1 - m).sum((2, 3))
        apart = (inside - outside).square().sum(1)
        own = inside.square().sum(1) + outside.square().sum(1)
        each = -torch.log(apart / (own + 1e-6) + 1e-6)
        kept = (m.sum((1, 2, 3)) >= 1) & ((1 - m).sum((1, 2, 3)) >= 1)
        total = total + 0.25 * each[kept].mean()
    optimiser.zero_grad()
    total.backward()
    optimiser.step()
    for name, value in reference.named_parameters():
        assert torch.allclose(value, network_of(method).get_parameter(name), atol=2e-4), name


def test_stable_alpha_rises_and_stays_within_its_limit():
    method = build(alpha_max=0.01)
    for number in range(15):
        log = steps(method)[1](batch(number % 3))
        assert all(torch.isfinite(value) for value in log.values())
        assert all(0 <= alpha <= 0.01 for alpha in alphas_in(log).values())
    assert all(alpha > 0 for alpha in alphas_in(log).values())


def test_paper_alpha_counts_the_steps():
    method = preset("paper", layers="enc1,dec1,enc2,dec2")
    for number in range(10):
        log = steps(method)[1](batch(number % 3))
    assert all(float(value) < 0 for name, value in log.items() if name.startswith("fd_"))
    assert list(method.alphas().values()) == pytest.approx([10 * 1e-3] * 4, rel=0.02)


def test_a_batch_without_foreground_is_counted_and_harmless():
    expected = build(alpha_mode="fixed", alpha_max=0.0)
    method = build(alpha_mode="fixed", alpha_max=0.05)
    for one in (expected, method):
        log = steps(one)[1](empty_batch())
        assert float(log["skipped"]) == 1
        assert all(torch.isfinite(value) for value in log.values())
        assert all(float(log[f"fd_{name}"]) == 0 for name in NAMES)
    assert same(state(expected), state(method))
    assert "alpha_enc1" in steps(build())[1](empty_batch())


def test_one_empty_sample_is_counted():
    one = batch()
    one.ids[2] = 0
    log = steps(build(layers="enc1,dec1"))[1](one)
    assert float(log["skipped"]) == 0.25
    assert {name for name in log if name.startswith("alpha")} == {"alpha_enc1", "alpha_dec1"}


@pytest.mark.parametrize(
    "settings",
    [
        {"pool": "sum"},
        {"pool": "image_mean", "form": "sq"},
        {"pool": "swapped", "reduce": "batch"},
        {"reduce": "vector_mean", "form": "sq"},
        {"reduce": "scalar"},
        {"form": "l2"},
        {"pool": "sum", "reduce": "scalar", "form": "appendix"},
        {"mask": "max"},
        {"mask": "nearest"},
        {"layers": "enc1,bottleneck"},
        {"exchange": "cross_pairs", "novel": "monuseg"},
        {"exchange": "cross_pairs"},
        {"exchange": "eq2", "novel": "monuseg"},
        {"exchange": "algo1", "form": "sq"},
        {"exchange": "released"},
        {"seg_loss": "jimenez"},
        {"dice_per_sample": True},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "optimiser": "adamw"},
        {"clip": 0.01},
    ],
    ids=str,
)
def test_options_are_finite_and_matter(settings):
    fixed = {"alpha_mode": "fixed", "alpha_max": 0.2}
    default, method = build(**fixed), build(**fixed | settings)
    for number in range(2):
        steps(default)[1](batch(number))
        log = steps(method)[1](batch(number))
    assert all(torch.isfinite(value) for value in log.values())
    assert not same(state(default), state(method))
    assert ("exchange" in log) is ("exchange" in settings)


def test_algorithm_1_has_plain_norms():
    logs = [
        steps(build(form="sq", alpha_mode="fixed", **options))[1](batch())
        for options in ({}, {"exchange": "algo1"})
    ]
    assert float(logs[1]["fd_enc1"]) == pytest.approx(float(logs[0]["fd_enc1"]) / 2, abs=1e-2)


def test_new_members_must_be_in_the_source():
    method = build(exchange="eq2", novel="kumar")
    with pytest.raises(DataError, match="kumar"):
        steps(method)[1](batch())


def test_half_precision_losses_are_float32():
    method = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log = steps(method)[1](batch())
    assert {value.dtype for value in log.values()} == {torch.float32}
    assert all(torch.isfinite(value) for value in log.values())


def test_classes_bring_their_own_loss():
    context = ToyContext(classes=("round", "long"))
    log = steps(build(context))[1](batch())
    assert {"ce", "dice", "alpha_enc1"} <= set(log)
    with pytest.raises(ConfigError, match="seg_loss"):
        build(ToyContext(classes=("round", "long")), seg_loss="dice+iou")


@pytest.mark.slow
def test_hovernet_is_penalised_beside_its_own_loss():
    method = build(network="hovernet-same")
    log = steps(method)[1](batch(count=2))
    assert {"np_ce", "hv_mse", "alpha_enc1", "fd_dec3", "fd_bottleneck"} <= set(log)
    assert all(torch.isfinite(value) for value in log.values())


# evaluation


def test_measures_are_the_distances_and_their_mean():
    method = build()
    network_of(method).eval()
    full = batch()
    full.ids[1] = 0
    found, distances = method.measures(full), method.distances(full)
    assert list(found) == [*(f"fd_{name}" for name in NAMES), "fd_mean"]
    for name in NAMES:
        torch.testing.assert_close(found[f"fd_{name}"], distances[name], equal_nan=True)
    assert torch.isnan(found["fd_mean"]).tolist() == [False, True, False, False]
    for sample in (0, 2, 3):
        own = torch.stack([value[sample] for value in distances.values()])
        mean = own[~own.isnan()].mean()
        assert float(found["fd_mean"][sample]) == pytest.approx(float(mean), rel=1e-5)
    assert not found["fd_mean"].requires_grad


def test_facts_are_the_alphas():
    method = build(layers="enc1,dec2", alpha_mode="fixed", alpha_max=0.5)
    assert method.facts() == {"alpha of each layer": {"enc1": 0.0, "dec2": 0.0}}
    steps(method)[1](batch())
    assert method.facts() == {"alpha of each layer": {"enc1": 0.5, "dec2": 0.5}}


def test_the_arms_are_presets_that_differ_in_the_loss_alone():
    arms = [FdLossConfig(**SPEC.presets[name].overrides) for name in FdLossConfig.arms]
    differ = {
        key for key in FdLossConfig.model_fields if len({getattr(arm, key) for arm in arms}) > 1
    }
    assert differ == {"alpha_mode", "alpha_max", "exchange"}
    plain, stable, exchange = arms
    assert (plain.alpha_mode, plain.alpha_max) == ("fixed", 0.0)
    assert stable == FdLossConfig()
    assert exchange.exchange == "cross_pairs"


def test_the_plain_arm_is_plain_training():
    method = preset("plain")
    log = [steps(method)[phase](batch(seed)) for phase, seed in ((0, 0), (1, 1), (1, 2))]
    assert float(log[-1]["penalty"]) == 0
    expected, _ = plain_training(3, paper_loss)
    assert same(state(method), expected)


# warnings

SOUND = {
    **{"seg": 1.0, "penalty": 0.1, "growth": 1.1, "skipped": 0.1},
    **{f"fd_{name}": 0.9 for name in NAMES},
    **{f"alpha_{name}": 0.01 for name in NAMES},
}
ZERO = {f"alpha_{name}": 0.0 for name in NAMES}
LATE = FdLossConfig().warmup_steps + 100


@pytest.mark.parametrize(
    ("settings", "changes", "word"),
    [
        ({"alpha_mode": "descent"}, ZERO, "cannot leave 0"),
        ({"alpha_mode": "descent_reg"}, ZERO, "cannot leave 0"),
        ({"alpha_mode": "descent", "alpha_free": True}, {}, "nothing limits alpha"),
        ({"alpha_mode": "descent", "alpha_free": True}, {"alpha_enc1": -0.1}, "below 0"),
        ({}, {"penalty": -1.1}, "outweighs"),
        ({}, {"growth": 2.1}, "doubled"),
        ({}, {"skipped": 0.6}, "lack a foreground"),
    ],
)
def test_troubles_are_told(settings, changes, word):
    (warning,) = build(**settings).warnings(SOUND | changes, LATE)
    assert word in warning


@pytest.mark.parametrize(
    ("settings", "changes", "step"),
    [
        ({}, {}, LATE),
        ({}, ZERO, LATE),
        ({"alpha_mode": "descent"}, ZERO, LATE - 1),
        ({"alpha_mode": "descent"}, ZERO | {f"fd_{n}": -1.0 for n in NAMES[:5]}, LATE),
        ({"alpha_mode": "descent", "alpha_free": True}, ZERO, LATE),
        ({}, {"penalty": 1.0, "growth": 2.0, "skipped": 0.5}, LATE),
    ],
)
def test_sound_training_is_quiet(settings, changes, step):
    assert list(build(**settings).warnings(SOUND | changes, step)) == []


def test_warm_start_has_nothing_to_warn_of():
    method = build()
    log = steps(method)[0](batch())
    assert list(method.warnings({name: float(v) for name, v in log.items()}, 1)) == []


def test_growth_is_measured_from_the_first_penalised_step():
    method = build(layers="enc1")
    steps(method)[0](batch())
    assert float(steps(method)[1](batch())["growth"]) == 1
    with torch.no_grad():
        norm = network_of(method).encoder[0][4]
        norm.weight.mul_(3)
        norm.bias.mul_(3)
    assert float(steps(method)[1](batch())["growth"]) == pytest.approx(3, rel=0.05)
