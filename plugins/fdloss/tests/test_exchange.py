"""The exchange term against the reference values, its pairs, and its roles."""

from __future__ import annotations

import pytest
import torch

from histokit.errors import DataError
from histokit_fdloss.distance import FeatureDistance, Pooled
from histokit_fdloss.exchange import Exchange, Pairs

SQUARE = FeatureDistance("region_mean", "vector", "sq", eps=0.0)
PLAIN = FeatureDistance("region_mean", "vector", "l2", eps=0.0)


def vector(vectors, name):
    return next(entry for entry in vectors("fdloss")["vectors"] if entry["name"] == name)


def example(vectors):
    given = vector(vectors, "fd_variants")["input"]
    features = torch.tensor(given["features_NKHW"], dtype=torch.float64)
    mask = torch.tensor(given["mask_N1HW"], dtype=torch.float64)
    novel = torch.tensor(vector(vectors, "exchange_forms")["input"]["domain"]).bool()
    return SQUARE.pooled(features, mask), novel


def pooled_vectors(count=4, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.rand(2, count, channels, generator=generator)
    return Pooled(left, right, torch.ones(count, dtype=torch.bool))


def keys(*members, name="tnbc+monuseg"):
    return [f"source:{name}/{member}/0{i}_1" for i, member in enumerate(members)]


def test_eq2_and_its_symmetry(vectors):
    entry = vector(vectors, "exchange_forms")
    pooled, novel = example(vectors)
    exchange = Exchange("eq2", ["monuseg"])
    expected = pytest.approx(entry["expected"]["eq2_loss"], abs=entry["abs_tol"])
    assert float(exchange.loss(SQUARE, pooled, novel, exchange.pairs(novel))) == expected
    swapped = vector(vectors, "exchange_symmetry")
    found = float(exchange.loss(SQUARE, pooled, ~novel, exchange.pairs(~novel)))
    wanted = swapped["expected"]["eq2_swapped_equals"]
    assert found == pytest.approx(wanted, abs=swapped["abs_tol"])


def test_algorithm_1(vectors):
    entry = vector(vectors, "exchange_forms")
    expected, tolerance = entry["expected"], entry["abs_tol"]
    pooled, novel = example(vectors)
    exchange = Exchange("algo1", shift=entry["input"]["k"])
    pairs = exchange.pairs(novel)
    each = PLAIN.each(Pooled(pooled.foreground, pooled.background[pairs.background], pooled.valid))
    assert each.tolist() == pytest.approx(expected["algorithm1_shifted_per_sample"], abs=tolerance)
    direct = PLAIN.each(pooled)
    assert direct.tolist() == pytest.approx(expected["algorithm1_direct_per_sample"], abs=tolerance)
    total = direct.mean() + exchange.loss(PLAIN, pooled, novel, pairs)
    assert float(total) == pytest.approx(expected["algorithm1_loss"], abs=tolerance)


def test_released_shuffle(vectors):
    entry = vector(vectors, "exchange_forms")
    pooled, novel = example(vectors)
    left, right = (torch.tensor(entry["input"][key]) for key in ("perm_fg", "perm_bg"))
    distance = FeatureDistance("region_mean", "batch", "l2", eps=0.0)
    found = Exchange("released").loss(distance, pooled, novel, Pairs(left, right))
    wanted = entry["expected"]["released_shuffled_term"]
    assert float(found) == pytest.approx(wanted, abs=entry["abs_tol"])


def test_cross_pairs(vectors):
    entry = vector(vectors, "exchange_forms")
    pooled, novel = example(vectors)
    exchange = Exchange("cross_pairs", ["monuseg"])
    pairs = exchange.pairs(novel)
    found = torch.stack((pairs.foreground, pairs.background), 1).tolist()
    assert found == entry["expected"]["cross_pair_list"]
    wanted = entry["expected"]["recommended_cross_pairs"]
    found = float(exchange.loss(SQUARE, pooled, novel, pairs))
    assert found == pytest.approx(wanted, abs=entry["abs_tol"])


def test_two_samples_and_a_shift_of_one_are_both_cross_terms():
    pooled = pooled_vectors(2)
    found = Exchange("algo1", shift=1)
    pairs = found.pairs(torch.zeros(2, dtype=torch.bool))
    cross = Exchange("cross_pairs", ["b"])
    novel = torch.tensor([False, True])
    both = cross.loss(SQUARE, pooled, novel, cross.pairs(novel))
    assert torch.isclose(found.loss(SQUARE, pooled, novel, pairs), both)


def test_a_shift_of_nothing_is_the_direct_term():
    pooled = pooled_vectors()
    order = torch.arange(4)
    found = Exchange("algo1", shift=1).loss(PLAIN, pooled, order > 9, Pairs(order, order))
    assert torch.isclose(found, PLAIN.each(pooled).mean())


@pytest.mark.parametrize("form", ["algo1", "cross_pairs"])
def test_no_sample_meets_itself(form):
    torch.manual_seed(0)
    exchange = Exchange(form, ["b"] if form == "cross_pairs" else [])
    drawn = set()
    for _ in range(20):
        pairs = exchange.pairs(torch.zeros(4, dtype=torch.bool))
        assert bool((pairs.foreground != pairs.background).all())
        drawn.add(tuple(pairs.background[pairs.foreground.argsort()].tolist()))
    assert (len(drawn) > 3) is (form == "algo1")


def test_one_data_set_alone_is_nothing_to_eq2():
    pooled = pooled_vectors()
    pooled.foreground.requires_grad_()
    exchange = Exchange("eq2", ["b"])
    for novel in (torch.zeros(4, dtype=torch.bool), torch.ones(4, dtype=torch.bool)):
        found = exchange.loss(FeatureDistance(), pooled, novel, exchange.pairs(novel))
        found.backward()
        assert float(found.detach()) == 0
        assert torch.equal(pooled.foreground.grad, torch.zeros(4, 3))


@pytest.mark.parametrize("form", ["eq2", "cross_pairs", "algo1", "released"])
@pytest.mark.parametrize("reduce", ["vector", "vector_mean", "scalar", "batch"])
@pytest.mark.parametrize("shape", ["sq", "l2", "unit"])
def test_every_combination_is_finite_with_samples_missing(form, reduce, shape):
    pooled = pooled_vectors()
    pooled.valid[1] = False
    exchange = Exchange(form, ["b"] if form in ("eq2", "cross_pairs") else [])
    novel = torch.tensor([False, True, True, False])
    distance = FeatureDistance("region_mean", reduce, shape)
    pooled.foreground.requires_grad_()
    found = exchange.loss(distance, pooled, novel, exchange.pairs(novel))
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(pooled.foreground.grad).all()
    if form != "released":
        assert torch.equal(pooled.foreground.grad[1], torch.zeros(3))


def test_equal_backgrounds_push_a_foreground_straight_away():
    pooled = pooled_vectors()
    background = pooled.background[:1].expand(4, 3)
    foreground = pooled.foreground.clone().requires_grad_()
    novel = torch.tensor([False, True, True, False])
    exchange = Exchange("cross_pairs", ["b"])
    same = Pooled(foreground, background, pooled.valid)
    exchange.loss(SQUARE, same, novel, exchange.pairs(novel)).backward()
    away = foreground.detach() - background
    cosine = torch.nn.functional.cosine_similarity(foreground.grad, away, dim=1)
    assert torch.allclose(cosine, -torch.ones(4), atol=1e-5)


def test_roles_come_from_the_keys():
    exchange = Exchange("cross_pairs", ["monuseg"])
    found = exchange.domains(keys("tnbc", "monuseg", "tnbc"))
    assert found.tolist() == [False, True, False]
    many = Exchange("eq2", ["b@x", "c"]).domains(keys("a", "c", "b@x", name="a+b@x+c"))
    assert many.tolist() == [False, True, True]


@pytest.mark.parametrize("name", ["tnbc", "tnbc+kumar"])
def test_unknown_members_are_told(name):
    with pytest.raises(DataError, match="monuseg") as told:
        Exchange("eq2", ["monuseg"]).domains(keys("tnbc", name=name))
    assert "--source tnbc+monuseg --novel monuseg" in str(told.value)
