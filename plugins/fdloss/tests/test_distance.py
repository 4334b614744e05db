"""The feature distance against the reference values, and what holds in every reading of it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit_fdloss.distance import FeatureDistance, shrunk

POOLS = ("region_mean", "image_mean", "sum")
READINGS = {
    "vector_sq_per_sample": ("vector", "sq"),
    "vector_l2_per_sample": ("vector", "l2"),
    "vector_sq_channel_mean_per_sample": ("vector_mean", "sq"),
    "scalar_sum_over_channels_abs_per_sample": ("scalar", "l2"),
    "scalar_appendix_normalised_per_sample": ("scalar", "appendix"),
    "bounded_unit_per_sample": ("vector", "unit"),
}
FORMS = [
    FeatureDistance(pool, reduce, form)
    for pool in (*POOLS, "swapped")
    for reduce in ("vector", "vector_mean", "scalar", "batch")
    for form in ("sq", "l2", "unit")
]


def vector(vectors, name):
    return next(entry for entry in vectors("fdloss")["vectors"] if entry["name"] == name)


def example(vectors):
    given_ = vector(vectors, "fd_variants")["input"]
    features = torch.tensor(given_["features_NKHW"], dtype=torch.float64)
    return features, torch.tensor(given_["mask_N1HW"], dtype=torch.float64)


def loss(distance, features, mask):
    pooled = distance.pooled(features, mask)
    return distance.between(pooled.foreground, pooled.background, pooled.valid)


def blobs(seed=0, count=3, channels=4, side=6):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, channels, side, side, generator=generator)
    mask = (torch.rand(count, 1, side, side, generator=generator) > 0.6).float()
    return features, mask


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("key", READINGS)
def test_readings(vectors, pool, key):
    entry = vector(vectors, "fd_variants")
    expected, tolerance = entry["expected"][pool][key], entry["abs_tol"]
    if expected is None:
        assert READINGS[key][1] == "appendix"
        return
    reduce, form = READINGS[key]
    distance = FeatureDistance(pool, reduce, form, eps=1e-6 if form == "unit" else 0.0)
    features, mask = example(vectors)
    pooled = distance.pooled(features, mask)
    for found, name in ((pooled.foreground, "Fg"), (pooled.background, "Bg")):
        wanted = torch.tensor(entry["expected"][pool][name], dtype=torch.float64)
        assert torch.allclose(found, wanted, rtol=0, atol=tolerance)
    assert distance.each(pooled).tolist() == pytest.approx(expected, abs=tolerance)
    mean = sum(expected) / len(expected)
    assert float(loss(distance, features, mask)) == pytest.approx(mean, abs=tolerance)


@pytest.mark.parametrize("pool", POOLS)
def test_norm_over_the_batch(vectors, pool):
    entry = vector(vectors, "fd_variants")
    expected = entry["expected"][pool]["batch_norm_axis_channel_mean"]
    found = loss(FeatureDistance(pool, "batch", "l2", eps=0.0), *example(vectors))
    assert float(found) == pytest.approx(expected, abs=entry["abs_tol"])


def test_released_code(vectors):
    entry = vector(vectors, "fd_released_code")
    distance = FeatureDistance("swapped", "batch", "l2", eps=0.0)
    features, mask = example(vectors)
    pooled = distance.pooled(features, mask)
    apart = torch.tensor(entry["expected"]["D_NK"], dtype=torch.float64)
    assert torch.allclose(pooled.foreground - pooled.background, apart, atol=entry["abs_tol"])
    found = float(loss(distance, features, mask))
    assert found == pytest.approx(entry["expected"]["loss"], abs=entry["abs_tol"])
    outside = features + 5 * (1 - mask)
    assert float(loss(distance, outside, mask)) == pytest.approx(found)


def test_gradient(vectors):
    entry = vector(vectors, "fd_gradient_region_mean_vector_sq")
    features, mask = example(vectors)
    features.requires_grad_()
    found = loss(FeatureDistance("region_mean", "vector", "sq", eps=0.0), features, mask)
    found.backward()
    assert float(found.detach()) == pytest.approx(entry["expected"]["loss"], abs=entry["abs_tol"])
    expected = torch.tensor(entry["expected"]["grad_F"], dtype=torch.float64)
    assert torch.allclose(features.grad, expected, rtol=0, atol=entry["abs_tol"])
    inside = (features.grad * mask).sum((2, 3))
    outside = (features.grad * (1 - mask)).sum((2, 3))
    assert torch.allclose(inside, -outside)


@pytest.mark.parametrize("name", ["fd_scale_0.1", "fd_scale_10"])
def test_scale_of_the_features(vectors, name):
    entry = vector(vectors, name)
    expected, tolerance, scale = entry["expected"], entry["abs_tol"], entry["input"]["c"]
    features, mask = example(vectors)
    square = FeatureDistance("region_mean", "vector", "sq", eps=0.0)
    shift = float(loss(square, scale * features, mask) - loss(square, features, mask))
    assert shift == pytest.approx(expected["delta_vector_sq"], abs=tolerance)
    for distance, key in ((square, "vector_sq"), (FeatureDistance(), "bounded_unit")):
        each = distance.each(distance.pooled(scale * features, mask))
        assert each.tolist() == pytest.approx(expected[f"{key}_per_sample"], abs=tolerance)


def test_degenerate_samples(vectors):
    entry = vector(vectors, "fd_degenerate")
    expected, eps = entry["expected"], entry["input"]["eps"]
    features, mask = blobs()
    for empty in (torch.zeros_like(mask), torch.ones_like(mask)):
        wanted = features.clone().requires_grad_()
        found = loss(FeatureDistance(eps=eps), wanted, empty)
        found.backward()
        assert float(found.detach()) == expected["loss_all_skipped"]
        assert torch.equal(wanted.grad, torch.zeros_like(features))
    for form in ("sq", "l2", "unit"):
        flat = torch.ones_like(features, dtype=torch.float64).requires_grad_()
        found = loss(FeatureDistance("region_mean", "vector", form, eps), flat, mask)
        found.backward()
        wanted = pytest.approx(expected["loss_equal_features_eps1e-6"], abs=entry["abs_tol"])
        assert float(found.detach()) == wanted
        assert torch.isfinite(flat.grad).all()


def test_lemma_of_the_appendix_is_no_theorem(vectors):
    entry = vector(vectors, "lemma_counterexample")
    features, mask, prediction = (
        torch.tensor(entry["input"][key], dtype=torch.float64)[None, None]
        for key in ("F", "y", "prediction")
    )
    distance = FeatureDistance("sum", "scalar", "appendix", eps=0.0)
    found = float(loss(distance, features, mask))
    assert found == pytest.approx(entry["expected"]["L_fd"], abs=entry["abs_tol"])
    assert math.exp(-found) == pytest.approx(entry["expected"]["FD"])
    dice = 2 * (mask * prediction).sum() / (mask.sum() + prediction.sum())
    assert float(dice) == entry["expected"]["dice"]


def test_table_2_of_the_paper_is_no_oracle(vectors):
    entry = vector(vectors, "table_consistency")
    implied = [100 * (d / 100) / (2 - d / 100) for _, d, _ in entry["input"]["rows"]]
    assert implied == pytest.approx(entry["expected"]["implied_min_iou"], abs=entry["abs_tol"])
    below = [iou <= dice for _, dice, iou in entry["input"]["rows"]]
    assert below == entry["expected"]["iou_le_dice"]
    above = [iou >= m for (*_, iou), m in zip(entry["input"]["rows"], implied, strict=True)]
    assert above == entry["expected"]["iou_ge_implied"]


@pytest.mark.parametrize("distance", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["none", "some", "one pixel", "flat", "huge"])
def test_always_finite(distance, kind):
    features, mask = blobs()
    if kind == "none":
        mask = torch.zeros_like(mask)
    elif kind == "some":
        mask[0] = 0
        mask[1] = 1
    elif kind == "one pixel":
        mask = torch.zeros_like(mask)
        mask[..., 2, 3] = 1
    elif kind == "flat":
        features = torch.zeros_like(features)
    else:
        features = 1e6 * features
    features.requires_grad_()
    found = loss(distance, features, mask)
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("distance", FORMS, ids=str)
def test_order_of_channels_and_samples_is_nothing(distance):
    features, mask = blobs()
    found = loss(distance, features, mask)
    order = torch.tensor([2, 0, 1])
    assert torch.allclose(loss(distance, features[:, [3, 1, 0, 2]], mask), found, atol=1e-5)
    assert torch.allclose(loss(distance, features[order], mask[order]), found, atol=1e-5)
    if distance.pool != "swapped":
        assert torch.allclose(loss(distance, features, 1 - mask), found, atol=1e-5)
    elif distance.reduce != "scalar":
        assert not torch.allclose(loss(distance, features, 1 - mask), found, atol=1e-3)


def test_forms_are_related():
    features, mask = (one.double() for one in blobs())
    by_form = {
        (r, f): loss(FeatureDistance("sum", r, f, 0.0), features, mask)
        for r in ("vector", "vector_mean")
        for f in ("sq", "l2")
    }
    assert torch.isclose(by_form["vector", "l2"], by_form["vector", "sq"] / 2)
    shift = by_form["vector_mean", "sq"] - by_form["vector", "sq"]
    assert float(shift) == pytest.approx(math.log(4))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), positive=st.booleans(), scale=st.floats(0.1, 100))
def test_unit_form_is_bounded_below(seed, positive, scale):
    features, mask = blobs(seed)
    features = features.abs() if positive else features
    found = float(loss(FeatureDistance(), scale * features, mask))
    assert found >= (0 if positive else -math.log(2)) - 1e-4


def test_a_sample_without_a_region_counts_for_nothing():
    features, mask = blobs()
    mask[1] = 0
    distance = FeatureDistance()
    pooled = distance.pooled(features, mask)
    assert pooled.valid.tolist() == [True, False, True]
    each = distance.each(pooled)
    assert torch.isnan(each[1])
    both = loss(distance, features, mask)
    assert torch.isclose(both, (each[0] + each[2]) / 2)
    assert torch.isclose(loss(distance, features[[0, 2]], mask[[0, 2]]), both)


def test_half_precision_is_pooled_in_full():
    features, mask = blobs()
    half = loss(FeatureDistance(), features.bfloat16(), mask)
    assert half.dtype == torch.float32
    assert torch.isclose(half, loss(FeatureDistance(), features.bfloat16().float(), mask))


def test_mask_pyramid(vectors):
    entry = vector(vectors, "mask_pyramid")
    mask = torch.tensor(entry["input"]["mask"])[None, None]
    for key, expected in entry["expected"].items():
        how, size = key.split("_")
        side = int(size[0])
        assert shrunk(mask, (side, side), how)[0, 0].tolist() == expected, key
