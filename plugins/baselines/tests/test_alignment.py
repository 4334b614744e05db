"""Reversal, discriminators and domain losses against reference values and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from histokit_baselines.adversarial import domain_maps
from histokit_baselines.alignment import (
    SOURCE,
    TARGET,
    collapse_warnings,
    domain_accuracy,
    domain_loss,
)
from histokit_baselines.discriminators import (
    SMALLEST_MAP,
    ImageDomains,
    MapDomains,
    PixelDomains,
    feature_domains,
)
from histokit_baselines.reversal import dann_ramp, reverse_gradient


def entry(vectors, name):
    return next(e for e in vectors("mani")["vectors"] if e["name"] == name)


def test_reversal_of_the_vectors(vectors):
    vector = entry(vectors, "gradient_reversal")
    given_, expected = vector["input"], vector["expected"]
    x = torch.tensor(given_["x"], dtype=torch.float64, requires_grad=True)
    y = reverse_gradient(x, given_["lambda"])
    y.backward(torch.tensor(given_["upstream_grad"], dtype=torch.float64))
    assert y.tolist() == expected["y"]
    assert x.grad.tolist() == pytest.approx(expected["grad_x"], abs=vector["abs_tol"])


def test_ramp_of_the_vectors(vectors):
    vector = entry(vectors, "dann_lambda_schedule")
    found = [dann_ramp(p) for p in vector["input"]["p"]]
    assert found == pytest.approx(vector["expected"]["lambda"], abs=vector["abs_tol"])


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_the_ramp_never_falls_and_stays_within_0_and_1(a, b):
    low, high = sorted((a, b))
    assert 0 <= dann_ramp(low) <= dann_ramp(high) < 1


def test_discriminator_of_the_vectors(vectors):
    expected = entry(vectors, "output_space_discriminator")["expected"]
    sizes = {
        channels: sum(p.numel() for p in MapDomains(channels).parameters()) for channels in (1, 2)
    }
    assert sizes[1] == expected["params_1_channel_input"]
    assert sizes[2] == expected["params_2_channel_input"]
    side = expected["output_size_for_256"]
    assert MapDomains(1)(torch.zeros(1, 1, 256, 256)).shape == (1, 1, side, side)


def test_the_smallest_map_gives_one_logit_and_a_smaller_one_none():
    assert MapDomains(1)(torch.zeros(1, 1, SMALLEST_MAP, SMALLEST_MAP)).shape == (1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        MapDomains(1)(torch.zeros(1, 1, SMALLEST_MAP - 1, SMALLEST_MAP - 1))


def test_feature_classifiers_judge_pixels_or_images():
    features = torch.rand(2, 5, 8, 6)
    assert isinstance(feature_domains("pixel", 5), PixelDomains)
    assert feature_domains("pixel", 5)(features).shape == (2, 1, 8, 6)
    by_image = feature_domains("image", 5)
    assert isinstance(by_image, ImageDomains)
    assert [p.shape[0] for p in by_image.parameters()] == [1024, 1024, 1024, 1024, 1, 1]
    assert torch.allclose(by_image(features), by_image(features.flip(2, 3)), atol=1e-6)


def test_domain_loss_by_hand():
    logits = torch.tensor([[0.0, math.log(3)]])
    assert float(domain_loss(logits, SOURCE)) == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert float(domain_loss(logits, TARGET)) == pytest.approx(
        (math.log(2) + math.log(4 / 3)) / 2, rel=1e-6
    )
    assert domain_loss(logits.bfloat16(), TARGET).dtype is torch.float32


def test_accuracy_weighs_both_domains_alike():
    source, target = torch.tensor([-1.0, -2.0, 1.0, -3.0]), torch.tensor([1.0])
    assert float(domain_accuracy(source, target)) == pytest.approx((0.75 + 1) / 2)
    assert float(domain_accuracy(torch.zeros(3), torch.zeros(2))) == 0.5


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=8))
def test_maps_of_both_kinds(logits):
    logits = torch.tensor(logits, dtype=torch.float64).reshape(1, 1, 1, -1)
    p = torch.sigmoid(logits)
    assert torch.equal(domain_maps(logits, "probabilities"), p)
    found = domain_maps(logits, "entropy")
    assert found.shape[1] == 2
    expected = torch.cat((p, 1 - p), 1)
    assert torch.allclose(found, -expected * torch.log2(expected + 1e-30), atol=1e-9)
    bits = functional.binary_cross_entropy(p, p, reduction="none") / math.log(2)
    assert torch.allclose(found.sum(1, keepdim=True), bits, atol=1e-6)


def test_certain_pixels_have_finite_gradients():
    logits = torch.tensor([-1e4, 1e4, 0.0]).reshape(1, 1, 1, 3).requires_grad_()
    domain_maps(logits, "entropy").sum().backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("share", "warned"), [(0.001, True), (0.005, False), (0.3, False), (0.61, True)]
)
def test_collapse_is_told(share, warned):
    assert bool(collapse_warnings({"target_foreground": share})) is warned
    assert not collapse_warnings({"seg": 1.0})
