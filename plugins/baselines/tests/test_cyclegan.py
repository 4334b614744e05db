"""`cyclegan` and `cyclegan-masks`: networks, losses, pool, and what a few steps do."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from histokit.interfaces import (
    Access,
    Feed,
    Labelled,
    Pair,
    Segmenter,
    SourceTarget,
    Translator,
    Unlabelled,
)
from histokit.run.context import RunContext
from histokit.run.machine import open_machine
from histokit.training.updater import Updater
from histokit_baselines import CYCLEGAN, CYCLEGAN_MASKS
from histokit_baselines.cyclegan_config import CycleGanConfig, CycleMasksConfig
from histokit_baselines.cyclegan_cycle import distance, signed, squares, unsigned
from histokit_baselines.cyclegan_networks import Generator, ImagePool, PatchCritic

SIDE = 32
SPECS = {"cyclegan": CYCLEGAN, "cyclegan-masks": CYCLEGAN_MASKS}
SMALL = {"tile": SIDE, "width": 8, "blocks": 1, "critic_width": 8, "pool": 2, "batch": 2}
both_tasks = pytest.mark.parametrize("name", SPECS)


def build(name, seed=0, **settings):
    torch.manual_seed(seed)
    spec = SPECS[name]
    context = RunContext(open_machine("cpu", threads=1), tile=SIDE)
    return spec.load().build(spec.config(**SMALL | settings), context)


def tissue(seed, colours, count=2):
    """Dark discs on a bright ground in given colours, and their ids."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    ids = torch.zeros(count, SIDE, SIDE, dtype=torch.int32)
    for sample in range(count):
        for number in range(1, 5):
            row, column = torch.randint(4, SIDE - 4, (2,), generator=generator)
            ids[sample][(y - row) ** 2 + (x - column) ** 2 < 16] = number
    ground, disc = (torch.tensor(colour)[:, None, None] for colour in colours)
    noise = 0.05 * torch.rand(count, 3, SIDE, SIDE, generator=generator)
    return (torch.where(ids[:, None] > 0, disc, ground) + noise).clamp(0, 1), ids


PURPLE = ((0.9, 0.8, 0.9), (0.4, 0.2, 0.5))
BROWN = ((0.9, 0.9, 0.8), (0.5, 0.3, 0.1))


def batch(name, seed=1):
    keys = ("a", "b")
    (source, ids), (target, _) = tissue(seed, PURPLE), tissue(seed + 100, BROWN)
    if name == "cyclegan":
        return Pair(Unlabelled(source, keys), Unlabelled(target, keys))
    return SourceTarget(Labelled(source, ids, None, keys), Unlabelled(target, keys))


def step(method):
    (phase,) = method.phases()
    return phase.step


def weights(method):
    return {
        f"{name}.{key}": value.detach().clone()
        for name, item in method.stateful().items()
        if isinstance(item, nn.Module)
        for key, value in item.state_dict().items()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


# cards and settings


def test_each_task_reads_what_it_says():
    assert (CYCLEGAN.roles, CYCLEGAN.access) == (("translator",), Access.IMAGES)
    assert (CYCLEGAN_MASKS.roles, CYCLEGAN_MASKS.access) == (("adapter",), Access.TARGET_IMAGES)
    assert build("cyclegan").phases()[0].feed is Feed.UNPAIRED
    assert build("cyclegan-masks").phases()[0].feed is Feed.SOURCE_TARGET
    assert isinstance(build("cyclegan"), Translator)
    assert isinstance(build("cyclegan-masks").segmenter(), Segmenter)


def test_the_defaults_are_those_of_the_paper():
    config = CycleGanConfig()
    found = (config.cycle_weight, config.identity_weight, config.pool, config.lr, config.batch)
    assert found == (10, 0.5, 50, 2e-4, 1)
    assert [CycleGanConfig(tile=side).depth for side in (128, 252, 256, 512)] == [6, 6, 9, 9]
    assert CycleMasksConfig(blocks=3).depth == 3
    with pytest.raises(ValidationError, match="multiple of 4"):
        CycleGanConfig(tile=66)
    for spec in SPECS.values():
        assert set(spec.presets) == {"default", "cpu"}
        for preset in spec.presets.values():
            spec.config(**preset.overrides)


def test_the_learning_rate_is_constant_and_then_falls_to_nothing():
    method = build("cyclegan", steps=4, decay_steps=4, pool=0)
    updater = method.stateful()["updater"]
    assert updater.optimiser.param_groups[0]["betas"] == (0.5, 0.999)
    rates = [updater.schedule(done) for done in range(9)]
    assert rates == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]
    assert method.phases()[0].steps == 8


# networks


def test_the_networks_have_the_sizes_of_the_paper_s():
    """11.38 and 7.84 million weights in the generators of 9 and 6 blocks, 2.76 in the critic."""
    counts = [
        sum(p.numel() for p in network.parameters())
        for network in (Generator(3, 3, blocks=9), Generator(3, 3, blocks=6), PatchCritic(3))
    ]
    assert counts == [11_378_179, 7_837_699, 2_764_737]


def test_the_critic_judges_patches_of_70_pixels():
    critic = nn.Sequential(*(m for m in PatchCritic(1, 2).layers if isinstance(m, nn.Conv2d)))
    images = torch.zeros(1, 1, 142, 142, requires_grad=True)
    scores = critic(images)
    scores[0, 0, 8, 8].backward()
    seen = images.grad[0, 0] != 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert (int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) == (69, 69)


def test_generators_keep_the_size_and_stay_in_range():
    network = Generator(3, 1, 4, 1)
    values = network(torch.randn(2, 3, 20, 36))
    assert values.shape == (2, 1, 20, 36)
    assert float(values.detach().abs().max()) <= 1
    start = torch.cat([p.flatten() for n, p in network.named_parameters() if "weight" in n])
    assert float(start.detach().std()) == pytest.approx(0.02, rel=0.05)


# losses and pool


def test_losses_by_hand():
    scores = torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.bfloat16)
    assert float(squares(scores, 1.0)) == pytest.approx(5 / 3)
    assert float(squares(scores, 0.0)) == pytest.approx(10 / 3)
    assert squares(scores, 0.0).dtype == torch.float32
    assert float(distance(torch.tensor([1.0, -1.0]), torch.zeros(2))) == 1
    values = torch.rand(5)
    assert torch.allclose(unsigned(signed(values)), values)


def test_the_total_weighs_the_terms():
    cycle = build("cyclegan", cycle_weight=4, identity_weight=0.25)._cycle
    names = ("gan_b", "gan_a", "cycle_a", "cycle_b", "identity_b", "identity_a")
    terms = {name: torch.tensor(10.0**place) for place, name in enumerate(names)}
    assert float(cycle.total(terms)) == 11 + 4 * 1100 + 110000
    losses = step(build("cyclegan"))(batch("cyclegan"))
    assert set(losses) == {*names, "critic_a", "critic_b"}
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.values())
    without = step(build("cyclegan", identity_weight=0))(batch("cyclegan"))
    assert not any(name.startswith("identity") for name in without)


def test_the_pool_fills_and_then_swaps_half_of_the_time():
    torch.manual_seed(0)
    pool = ImagePool(50)
    images = [torch.full((1, 1, 1, 1), float(n)) for n in range(1050)]
    first = [float(pool.swap(image)) for image in images[:50]]
    assert first == list(range(50))
    given = [float(pool.swap(image)) for image in images[50:]]
    older = sum(value != n for n, value in enumerate(given, start=50))
    assert 420 < older < 580
    assert len(pool.images) == 50
    kept = {float(image) for image in pool.images}
    assert not kept & {v for n, v in enumerate(given, start=50) if v != n}  # it is given once
    none = ImagePool(0)
    assert [float(none.swap(image)) for image in images[:3]] == [0, 1, 2]


def test_the_pool_keeps_no_graph_and_hands_out_what_it_kept():
    pool = ImagePool(1)
    first = torch.ones(1, 1, 2, 2, requires_grad=True)
    assert not pool.swap(first * 2).requires_grad
    torch.manual_seed(0)
    out = {float(pool.swap(torch.full((1, 1, 2, 2), 7.0)).mean()) for _ in range(20)}
    assert out == {2.0, 7.0}


# who is trained by what


@both_tasks
def test_each_player_learns_by_its_own_optimiser(name, monkeypatch):
    method = build(name)
    state = method.stateful()
    owned = {id(p) for p in state["updater"].parameters}
    assert owned == {id(p) for part in ("to_a", "to_b") for p in state[part].parameters()}
    rivals = {id(p) for p in state["opponent"].parameters}
    assert rivals == {id(p) for part in ("critic_a", "critic_b") for p in state[part].parameters()}
    before = weights(method)
    monkeypatch.setattr(state["opponent"], "update", lambda loss: None)
    step(method)(batch(name))
    moved = {key.split(".")[0] for key, value in weights(method).items()
             if not torch.equal(value, before[key])}  # fmt: skip
    assert moved == {"to_a", "to_b"}


def test_neither_source_images_nor_target_labels_matter_for_masks():
    results = []
    for other in (False, True):
        method, seen = build("cyclegan-masks"), batch("cyclegan-masks")
        if other:
            source = seen.source
            blank = Labelled(torch.zeros_like(source.images), source.ids, None, source.keys)
            seen = SourceTarget(blank, seen.target)
        step(method)(seen)
        results.append(weights(method))
    assert same(*results)


@both_tasks
def test_a_restored_method_goes_on_as_if_it_had_never_stopped(name):
    method, other = build(name), build(name, seed=9)
    for seed in range(3):  # so that the pools are full
        step(method)(batch(name, seed))
    for part, thing in method.stateful().items():
        other.stateful()[part].load_state_dict(copy.deepcopy(thing.state_dict()))
    found = []
    for one in (method, other):
        torch.manual_seed(5)
        found.append([{k: float(v) for k, v in step(one)(batch(name, s)).items()} for s in (7, 8)])
    assert found[0] == found[1]
    assert same(weights(method), weights(other))


# behaviour


@both_tasks
def test_a_few_steps_close_the_cycle(name):
    method = build(name, lr=2e-3, steps=100)
    losses = [step(method)(batch(name, seed % 4)) for seed in range(40)]
    cycles = [float(found["cycle_a"] + found["cycle_b"]) for found in losses]
    assert sum(cycles[-5:]) < 0.6 * sum(cycles[:5])
    assert all(torch.isfinite(value) for found in losses for value in found.values())


def test_directions_use_the_two_generators():
    images, _ = tissue(3, PURPLE)
    forth, back = build("cyclegan"), build("cyclegan", direction="target-source")
    state = forth.stateful()
    with torch.no_grad():
        found = [method.translate(images) for method in (forth, back)]
        expected = [unsigned(state[part](signed(images))) for part in ("to_b", "to_a")]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert found[0].shape == images.shape
    assert 0 <= float(found[0].min()) <= float(found[0].max()) <= 1


def test_the_logits_are_those_of_the_generated_mask():
    method = build("cyclegan-masks")
    images, _ = tissue(3, BROWN)
    with torch.no_grad():
        maps = method.segmenter().segment(images)
        mask = unsigned(method.stateful()["to_b"](signed(images)))
    assert maps.activation == "sigmoid"
    assert torch.allclose(maps.logits.sigmoid(), mask, atol=1e-6)


@both_tasks
def test_half_precision_losses_are_float32(name):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = step(build(name))(batch(name))
    assert {value.dtype for value in losses.values()} == {torch.float32}


def test_collapse_is_told():
    method = build("cyclegan-masks")
    losses = {k: float(v) for k, v in step(method)(batch("cyclegan-masks")).items()}
    assert "target_foreground" in losses
    assert method.warnings({**losses, "target_foreground": 0.99}, 10)
    assert isinstance(method.stateful()["updater"], Updater)
