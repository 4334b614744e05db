"""Pooling, pseudo-labels and the mutual-information loss, by reference values and invariants."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from histokit_mani.config import ManiConfig
from histokit_mani.losses import (
    CHANCE,
    build_pool,
    information,
    jsd_loss,
    mi_bound,
    pool_max,
    pool_mean,
    pool_random,
    pseudo_label,
    regions,
    resized,
)
from histokit_mani.networks import ConcatCritic

POOLS = [ManiConfig(pool=name) for name in ("mean", "max", "random")]


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def blobs(count=4, channels=5, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, channels, size, size, generator=generator)
    mask = (torch.rand(count, 1, size, size, generator=generator) > 0.6).float()
    return features, mask


@pytest.mark.parametrize("name", ["jsd_zero_logits", "jsd_mixed", "jsd_large", "jsd_perfect"])
def test_jsd_loss_and_gradients(vectors, name):
    entry = vector(vectors, name)
    expected, tolerance = entry["expected"], entry["abs_tol"]
    positive, negative = (
        torch.tensor(entry["input"][key], dtype=torch.float64, requires_grad=True)
        for key in ("T_pos", "T_neg")
    )
    loss = jsd_loss(positive, negative)
    loss.backward()
    loss = loss.detach()
    assert float(loss) == pytest.approx(expected["loss"], abs=tolerance)
    assert float(mi_bound(loss)) == pytest.approx(expected["dim_shifted_bound"], abs=tolerance)
    assert positive.grad.tolist() == pytest.approx(expected["grad_T_pos"], abs=tolerance)
    assert negative.grad.tolist() == pytest.approx(expected["grad_T_neg"], abs=tolerance)


def test_masked_mean(vectors):
    entry = vector(vectors, "masked_mean_pool")
    features = torch.tensor(entry["input"]["features_NCHW"])
    mask = torch.tensor(entry["input"]["mask_N1HW"])
    inside, outside = pool_mean(features, mask)[:, 0], pool_mean(features, 1 - mask)[:, 0]
    for found, name in ((inside, "pos"), (outside, "neg")):
        expected = torch.tensor(entry["expected"][name])
        assert torch.allclose(found, expected, rtol=0, atol=entry["abs_tol"])
    assert torch.equal(inside[1], torch.zeros(3))


def test_pseudo_labels(vectors):
    entry = vector(vectors, "pseudo_label_threshold")
    for dtype in (torch.float64, torch.float32):
        logits = torch.tensor(entry["input"]["logits"], dtype=dtype, requires_grad=True)
        label = pseudo_label(logits)
        assert label.tolist() == entry["expected"]["label"]
        assert not label.requires_grad


def test_pseudo_labels_at_another_threshold():
    probability = torch.tensor([0.2, 0.69, 0.71, 0.9], dtype=torch.float64)
    assert pseudo_label(torch.logit(probability), 0.7).tolist() == [0, 0, 1, 1]


def test_max_by_hand():
    features, mask = blobs()
    mask[2] = 0
    found = pool_max(features, mask)
    assert found.shape == (4, 1, 5)
    for sample in (0, 1, 3):
        inside = features[sample][:, mask[sample, 0] > 0]
        assert torch.equal(found[sample, 0], inside.max(dim=1).values)
    assert torch.equal(found[2, 0], torch.zeros(5))


def test_random_pixels_come_from_the_mask_and_all_of_them():
    torch.manual_seed(0)
    size = 6
    numbers = torch.arange(size * size, dtype=torch.float32).reshape(1, 1, size, size)
    mask = (numbers % 5 == 2).float()
    allowed = set(numbers[mask > 0].int().tolist())
    drawn = pool_random(numbers, mask, count=500).flatten().int().tolist()
    assert set(drawn) == allowed
    counts = torch.bincount(torch.tensor(drawn))
    assert int(counts.max()) < 3 * 500 / len(allowed)


def test_random_pixels_of_an_empty_mask_are_zero():
    features, mask = blobs()
    mask[1] = 0
    found = pool_random(features, mask, count=3)
    assert found.shape == (4, 3, 5)
    assert torch.equal(found[1], torch.zeros(3, 5))
    assert bool((found[0] != 0).all())


@pytest.mark.parametrize("config", POOLS, ids=lambda config: config.pool)
def test_an_empty_mask_passes_no_gradient(config):
    features, _ = blobs()
    features.requires_grad_()
    pooled = build_pool(config)(features, torch.zeros(4, 1, 8, 8))
    (pooled + 1).pow(2).sum().backward()
    assert torch.equal(pooled, torch.zeros_like(pooled))
    assert torch.equal(features.grad, torch.zeros_like(features))


@pytest.mark.parametrize("config", POOLS, ids=lambda config: config.pool)
def test_pooling_is_float32_in_half_precision(config):
    features, mask = blobs(size=64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = build_pool(config)(features.bfloat16(), mask)
    assert pooled.dtype == torch.float32


def test_pool_settings_arrive():
    features, mask = blobs()
    assert build_pool(ManiConfig(pool="random", random_pixels=7))(features, mask).shape[1] == 7
    heavy = build_pool(ManiConfig(pool_eps=100.0))(features, mask)
    assert not torch.allclose(heavy, pool_mean(features, mask))


def test_mask_follows_the_features():
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    small = resized(mask, torch.zeros(1, 3, 4, 4))
    assert small.tolist() == [[[[1, 1, 0, 0]] * 4]]
    assert resized(mask, torch.zeros(1, 3, 8, 8)) is mask


def value(found):
    return float(found.loss.detach())


def domain(seed):
    return regions(*blobs(seed=seed), pool_mean)


def test_loss_is_the_formula_and_swapping_regions_swaps_its_terms():
    torch.manual_seed(0)
    critic = ConcatCritic(5)
    features, mask = blobs(seed=1)
    target, source = domain(0), regions(features, mask, pool_mean)
    swapped = regions(features, 1 - mask, pool_mean)
    t, a, b = target.nuclei, source.nuclei, source.background

    @torch.no_grad()
    def formula(near, far):
        attraction = functional.softplus(-critic(t, near)).mean()
        return float(attraction + functional.softplus(critic(t, far)).mean())

    straight, turned = formula(a, b), formula(b, a)
    assert value(information(critic, target, source)) == pytest.approx(straight)
    assert value(information(critic, target, swapped)) == pytest.approx(turned)
    assert abs(straight - turned) > 1e-4


def test_target_background_is_one_more_negative():
    torch.manual_seed(0)
    critic = ConcatCritic(5)
    target, source = domain(0), domain(1)
    found = information(critic, target, source, target_background=True)
    one = functional.softplus(critic(target.nuclei, source.background)).mean()
    other = functional.softplus(critic(target.background, source.nuclei)).mean()
    attraction = functional.softplus(-critic(target.nuclei, source.nuclei)).mean()
    expected = attraction + (one + other) / 2
    assert value(found) == pytest.approx(float(expected.detach()))


def test_empty_pairs_count_unless_skipped():
    torch.manual_seed(0)
    critic = ConcatCritic(5)
    features, mask = blobs()
    mask[1] = 0
    target, source = regions(features, mask, pool_mean), domain(1)
    assert target.has_nuclei.tolist() == [True, False, True, True]
    kept = [0, 2, 3]
    rest = regions(features[kept], mask[kept], pool_mean)
    other_features, other_mask = blobs(seed=1)
    others = regions(other_features[kept], other_mask[kept], pool_mean)
    skipped = information(critic, target, source, skip_empty=True)
    assert value(skipped) == pytest.approx(value(information(critic, rest, others)))
    assert value(skipped) != pytest.approx(value(information(critic, target, source)))


def test_no_pair_left_gives_zero_loss_and_no_false_bound():
    critic = ConcatCritic(5)
    features, _ = blobs()
    features.requires_grad_()
    nothing = regions(features, torch.zeros(4, 1, 8, 8), pool_mean)
    found = information(critic, nothing, domain(1), skip_empty=True)
    found.loss.backward()
    assert value(found) == float(found.bound) == 0
    assert torch.equal(features.grad, torch.zeros_like(features))


def test_separable_vectors_are_learned():
    torch.manual_seed(0)
    critic = ConcatCritic(16)
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-4)
    losses = []
    for _ in range(200):
        near, far, target = torch.randn(3, 4, 16)
        loss = jsd_loss(critic(target, near + 1), critic(target, far - 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(CHANCE, abs=0.1)
    assert sum(losses[-20:]) / 20 < 0.2
    assert pytest.approx(2 * math.log(2)) == CHANCE
