"""Ostrich as a whole: who learns from what, both directions, resuming, bad input."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from histokit.errors import DataError, UsageError
from histokit.interfaces import Access, Adapter, Feed, Labelled, Segmenter, Translator
from histokit.postprocess.watershed import watershed
from histokit_ostrich import SPEC, OstrichConfig
from histokit_ostrich.objective import lends_labels, sampled

MODES = ("paired", "unpaired", "semi")
ALWAYS = {"generator", "embedding"}
OWN = {"supervised", "swap"}
LAW = {"patches", "cost", "range", "critic", "w1_map", "penalty_map"}
TERMS = {"paired": ALWAYS | OWN, "unpaired": ALWAYS | LAW, "semi": ALWAYS | OWN | LAW}


def step(method):
    (phase,) = method.phases()
    return phase.step


def keyed(batch, *lend):
    """The batch with keys whose images lend their labels, or do not."""
    config = OstrichConfig(mode="semi")
    pools = {True: [], False: []}
    for number in range(200):
        key = f"toy/{number}"
        pools[lends_labels(key, config)].append(key)
    return replace(batch, keys=tuple(pools[one].pop() for one in lend))


def half(batch):
    return keyed(batch, True, False, True, False)


def state(method):
    return {
        f"{name}.{key}": value.clone()
        for name, item in method.stateful().items()
        if isinstance(item, torch.nn.Module)
        for key, value in item.state_dict().items()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def dice(method, batch):
    with torch.no_grad():
        found = method.segmenter().segment(batch.images).logits > 0
    truth = batch.ids[:, None] > 0
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


# the card


def test_card_and_settings_are_torch_free():
    code = "import histokit_ostrich, sys; sys.exit('torch' in sys.modules or 'ot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_point_names_the_card():
    (entry,) = entry_points(group="histokit.methods", name="ostrich")
    assert entry.load() is SPEC
    assert SPEC.access is Access.SOURCE
    assert SPEC.roles == ("translator", "adapter")


@pytest.mark.parametrize("name", sorted(SPEC.presets))
def test_presets_are_legal_settings(name):
    OstrichConfig(**SPEC.presets[name].overrides)


def test_the_sizes_of_the_card_are_those_of_the_defaults(build):
    assert build().sizes == build().segmenter().sizes == SPEC.sizes


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"embedding": 0}, "nothing to carry"),
        ({"embedding": 1, "direction": "mask2he"}, "drops colours"),
        ({"lattice": True}, "lattice needs"),
        ({"mode": "unpaired", "batch": 1}, "batch must be 2"),
        ({"direction": "mask2he", "batch": 1}, "batch must be 2"),
        ({"tile": 16, "critic_layers": 5}, "tile must be at least 32"),
        ({"tiles": (3,)}, "multiple of 2"),
        ({"tiles": ()}, "at least 1"),
    ],
)
def test_settings_that_cannot_work_are_told(settings, words):
    with pytest.raises(ValidationError, match=words):
        OstrichConfig(**settings)


def test_classes_are_refused(build):
    with pytest.raises(UsageError, match="--types"):
        build(classes=("neutrophil", "epithelial"))


# one step


@pytest.mark.parametrize("mode", MODES)
def test_terms_of_each_mode(build, toy, mode):
    method = build(mode=mode)
    before = state(method)
    losses = step(method)(half(toy()))
    assert set(losses) == TERMS[mode]
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.values())
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    changed = {
        key.split(".")[0]
        for key, value in state(method).items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"generator", "average"} | ({"critic_map"} if mode != "paired" else set())


def test_no_term_of_a_cycle(build, toy):
    assert not any(
        "cycle" in name for mode in MODES for name in step(build(mode=mode))(half(toy()))
    )


def test_mask2he_adds_a_critic_of_images(build, toy):
    method = build(direction="mask2he")
    losses = step(method)(toy())
    assert {"image", "w1_image", "penalty_image"} < set(losses)
    assert "critic_image" in method.stateful()
    assert "image" not in step(build())(toy())


@pytest.mark.parametrize("mode", ["unpaired", "semi"])
@pytest.mark.parametrize("lend", [True, False])
def test_a_batch_of_one_kind_is_harmless(build, toy, mode, lend):
    method = build(mode=mode)
    losses = step(method)(keyed(toy(), lend, lend, lend, lend))
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    assert "patches" not in losses
    assert method.stateful()["updater"].count == 1


def test_labels_of_images_that_lend_none_are_never_read(build, toy):
    batch = half(toy())
    ids = batch.ids.clone()
    ids[[1, 3]] = torch.randint(0, 9, ids[[1, 3]].shape).int()
    for mode in ("unpaired", "semi"):
        results = []
        for labels in (batch.ids, ids):
            method = build(mode=mode)
            step(method)(replace(batch, ids=labels))
            results.append(state(method))
        assert same(*results)
    method, other = build(), build()
    step(method)(batch)
    step(other)(replace(batch, ids=ids))
    assert not same(state(method), state(other))


def test_no_map_is_of_an_image_that_is_looked_at_without_labels(build, toy):
    method = build(mode="unpaired")
    batch = half(toy())
    generator = method.stateful()["generator"]
    sample = sampled(OstrichConfig(mode="unpaired"), generator, batch)
    assert (sample.known, len(sample.free), len(sample.maps)) == (0, 2, 2)
    generator.eval()
    lifted = generator.lifted(batch.images[[1, 3]])
    assert torch.allclose(sample.lifted, lifted, atol=0.1)
    truth = 2.0 * (batch.ids[[0, 2]] > 0)[:, None] - 1
    assert torch.allclose(sample.maps, truth, atol=0.3)
    sample = sampled(OstrichConfig(mode="semi"), generator, batch)
    assert (sample.known, len(sample.free), len(sample.mask)) == (2, 2, 2)


def test_the_share_of_lenders_is_as_asked():
    for share in (0.1, 0.5):
        config = OstrichConfig(mode="semi", labelled_share=share)
        lent = [lends_labels(f"tnbc/{n}", config) for n in range(2000)]
        assert sum(lent) / 2000 == pytest.approx(share, abs=0.04)
    assert lends_labels("any", OstrichConfig())


@pytest.mark.parametrize(
    "settings",
    [
        {"maps": "sdt"},
        {"embedding": 1},
        {"embedding": 4},
        {"lift": "rgb"},
        {"tiles": (2, 2), "order": "channel"},
        {"tiles": (0, 0)},
        {"coupling": "additive", "mix": "lu"},
        {"coupling": "additive", "mix": "permutation", "lattice": True},
        {"embedding_cost": "pot"},
        {"embedding_cost": "sinkhorn"},
        {"swap_weight": 0},
        {"tile": 19},
    ],
    ids=str,
)
def test_options_are_finite_and_matter(build, toy, settings):
    batch = toy(side=settings.get("tile", 16))
    default, method = build(), build(**settings)
    for one in (default, method):
        losses = step(one)(batch)
        assert all(bool(torch.isfinite(value)) for value in losses.values())
    found = [one.segmenter().segment(batch.images).logits for one in (default, method)]
    assert found[0].shape == found[1].shape == (4, 1, *batch.images.shape[-2:])
    if settings.keys() - {"tile"}:
        assert not same(state(default), state(method))


def test_reversible_memory_trains_the_same(build, toy):
    batch = half(toy())
    results = []
    for memory in ("stored", "reversible"):
        method = build(memory=memory, mode="semi")
        for _ in range(2):
            torch.manual_seed(1)
            losses = step(method)(batch)
        results.append(float(losses["generator"]))
        assert method.stateful()["generator"].flow.reversible == (memory == "reversible")
    assert results[0] == pytest.approx(results[1], rel=1e-3)


def test_half_precision_changes_nothing(build, toy):
    results = []
    for on in (False, True):
        method = build()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
            step(method)(toy())
        results.append(state(method))
    assert same(*results)


def test_the_first_batch_fits_the_lift(build, toy):
    method = build(lr=1e-12)
    batch = toy()
    step(method)(batch)
    generator = method.stateful()["generator"].eval()
    lifted = generator.lifted(batch.images)
    assert torch.allclose(lifted.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(lifted.std((0, 2, 3)), torch.ones(3), atol=1e-4)
    assert same(method.stateful()["average"].module.lift.state_dict(), generator.lift.state_dict())


# many steps


@pytest.mark.parametrize("mode", ["paired", "unpaired"])
def test_a_resumed_run_is_the_same(build, toy, mode):
    settings = {"mode": mode, "direction": "mask2he", "memory": "reversible"}
    method = build(**settings)
    for seed in range(2):
        step(method)(half(toy(seed)))
    saved = copy.deepcopy({name: item.state_dict() for name, item in method.stateful().items()})
    other = build(seed=9, **settings)
    for name, item in other.stateful().items():
        item.load_state_dict(saved[name])
    for one in (method, other):
        torch.manual_seed(4)
        for seed in range(2, 4):
            step(one)(half(toy(seed)))
    assert same(state(method), state(other))


def test_it_learns_to_segment(build, toy):
    method = build(width=8, ema_decay=0.8)
    (phase,) = method.phases()
    assert (phase.name, phase.steps, phase.feed) == ("train", 100, Feed.LABELLED)
    test = toy(seed=100, count=8)
    for seed in range(50):
        losses = phase.step(toy(seed))
    assert dice(method, test) > 0.9
    assert {"inversion", "amplification", "participation", "seams", "split"} < set(losses)
    values = {name: float(value) for name, value in losses.items()}
    assert values["inversion"] < 1e-4
    assert list(method.warnings(values, 50)) == []


def test_a_bad_inverse_is_told(build, toy, randomised):
    method = build()
    randomised(method.stateful()["generator"].flow, 0.2)
    method.stateful()["updater"].count = 49
    losses = step(method)(toy())
    told = method.warnings({name: float(value) for name, value in losses.items()}, 50)
    assert any(words.startswith("inversion breakdown") for words in told)
    assert any(words.startswith("ill-conditioned inverse") for words in told)


def test_a_judge_is_loaded_before_training_and_looks_at_drawings(build, toy):
    method = build(direction="mask2he", judge="darkness")
    (phase,) = method.phases()
    phase.before()
    method.stateful()["updater"].count = 49
    losses = phase.step(toy())
    assert {"judge", "ghosts", "variety", "outside", "reread"} < set(losses)
    with pytest.raises(KeyError):
        build(judge="nobody").phases()[0].before()
    assert build().phases()[0].before is None


# what a trained run does


def test_roles(build):
    method = build()
    assert isinstance(method, Translator)
    assert isinstance(method, Adapter)
    assert isinstance(method.segmenter(), Segmenter)
    assert (method.channels, method.segmenter().channels) == (3, 3)
    drawing = build(direction="mask2he")
    assert (drawing.channels, drawing.segmenter().channels) == (1, 3)


@pytest.mark.parametrize("size", [(16, 16), (13, 21)])
def test_images_become_grey_maps(build, toy, size):
    method = build()
    step(method)(toy())
    images = toy(side=24).images[..., : size[0], : size[1]]
    with torch.no_grad():
        found = method.translate(images)
        logits = method.segmenter().segment(images).logits
    assert found.shape == logits.shape == (4, 1, *size)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert torch.equal(found > 0.5, logits > 0)


@pytest.mark.parametrize("prior", ["donor", "normal", "tgmm"])
@pytest.mark.parametrize("size", [(16, 16), (13, 40)])
def test_masks_become_images(build, toy, prior, size):
    method = build(direction="mask2he", prior=prior)
    step(method)(toy())
    masks = (toy(side=40).ids[:, None, : size[0], : size[1]] > 0).float()
    with torch.no_grad():
        found = method.translate(masks)
        again = method.translate(masks)
    assert found.shape == (4, 3, *size)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert torch.equal(found, again)
    assert ("donors" in method.stateful()) == (prior == "donor")


def test_an_image_is_drawn_back_from_its_own_parts(build, toy):
    method = build(direction="mask2he")
    batch = toy()
    step(method)(batch)
    donors = method.stateful()["donors"].windows
    contrast = donors.std((1, 2, 3))
    assert torch.equal(contrast, contrast.sort(descending=True).values)
    assert all(any(torch.equal(one, image) for image in batch.images) for one in donors)
    generator = method.stateful()["average"].module
    with torch.no_grad():
        assert torch.allclose(generator.inverse(generator(donors)), donors, atol=1e-4)


def test_a_donor_is_mirrored_where_the_mask_is_larger(build, toy):
    method = build(direction="mask2he")
    step(method)(toy())
    donors = method.stateful()["donors"]
    generator = method.stateful()["average"].module
    window = donors.windows[:1]
    mirrored = torch.cat((window, window.flip(-1), window), -1)
    side, width = mirrored.shape[-2:]
    with torch.no_grad():
        for weight in generator.parameters():  # or else it hardly differs from the identity
            weight += 0.05 * torch.randn_like(weight)
        parts = generator(mirrored)
        lent = donors.embedding(generator, 0, side, width)
        image = generator.inverse(replace(parts, embedding=lent))
    assert torch.allclose(image, mirrored, atol=1e-4)


@pytest.mark.parametrize("prior", ["donor", "normal"])
def test_samples_draw_one_mask_with_different_embeddings(build, toy, prior):
    settings = {"direction": "mask2he", "prior": prior}
    method, again, other = (build(**settings, sample=n) for n in (0, 0, 1))
    step(method)(toy())
    for one in (again, other):
        for name, item in one.stateful().items():
            item.load_state_dict(method.stateful()[name].state_dict())
    masks = (toy(seed=5).ids[:, None] > 0).float()
    with torch.no_grad():
        first, same, second = (one.translate(masks) for one in (method, again, other))
    assert torch.equal(first, same)
    assert float((first - second).abs().mean()) > 0.01


def test_round_trips_are_measured_for_every_sample(build, toy):
    method = build()
    step(method)(toy())
    found = method.measures(toy())
    assert set(found) == {"round_trip_fp32", "round_trip_tf32", "round_trip_bf16"}
    assert all(values.shape == (4,) for values in found.values())
    assert float(found["round_trip_fp32"].max()) < 1e-4 < float(found["round_trip_bf16"].max())


def test_masks_of_many_values_are_refused(build, toy):
    method = build(direction="mask2he")
    with pytest.raises(DataError, match="other values than two"):
        method.translate(toy().ids[:, None].float() / 255)


def test_weights_that_cannot_be_inverted_are_refused(build):
    method = build(direction="mask2he")
    method.stateful()["average"].module.lift.norm.log_scale.data[1] = 80.0
    with pytest.raises(DataError, match=r"lift\.norm"):
        method.translate(torch.zeros(1, 1, 16, 16))


def test_touching_discs_are_parted(vector, build):
    entry = vector("watershed_two_discs")
    y, x = np.mgrid[:24, :40]
    mask = ((y - 12) ** 2 + (x - 13) ** 2 <= 64) | ((y - 12) ** 2 + (x - 26) ** 2 <= 64)
    assert mask.sum() == entry["foreground"]
    found = watershed(mask.astype(np.float32), min_distance=5, smooth=1.0, connectivity=8)
    assert np.bincount(found.ids.ravel())[1:].tolist() == entry["areas"]
    maps = torch.from_numpy(mask).float()[None, None]
    segmenter = build().segmenter()
    decoded = segmenter.decode(
        replace(segmenter.segment(torch.rand(1, 3, 24, 40)), logits=8 * maps - 4)
    )
    assert decoded.ids.max() == entry["n_instances"]


def test_batches_are_what_the_core_gives(toy):
    assert isinstance(toy(), Labelled)
