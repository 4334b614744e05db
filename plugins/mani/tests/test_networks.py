"""Projection and critics against the reference: sizes, formula weights, fingerprints."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from histokit.nn.cards import UNET
from histokit.nn.taps import with_tap
from histokit.nn.unet import UNet
from histokit_mani.losses import jsd_loss, pool_mean
from histokit_mani.networks import (
    ConcatCritic,
    ConvCritic,
    DotCritic,
    build_critic,
    frozen_statistics,
    halve,
    projection_head,
)


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts(vectors):
    expected = vector(vectors, "parameter_counts")["expected"]
    assert parameters(projection_head(64)) == expected["projection_head"]
    assert parameters(build_critic("concat", 64)) == expected["discriminator_concat"]
    assert parameters(build_critic("conv", 64)) == expected["discriminator_conv_variant"]
    with_heads = expected["unet_bilinear_total_with_heads_as_in_repo"]
    domain_classifier = expected["domain_classifier_1x1"]
    both = parameters(UNet(3, 1)) + parameters(projection_head(64))
    assert both + domain_classifier == with_heads


def wave(shape, frequency):
    numbers = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return torch.sin(numbers * frequency).reshape(shape)


def formula_critic():
    critic = ConcatCritic(64).double()
    linear = [layer for layer in critic.layers if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, frequency in zip(linear, (0.37, 0.48, 0.59), strict=True):
            weight = wave(layer.weight.shape, frequency) / math.sqrt(layer.in_features)
            layer.weight.copy_(weight)
            layer.bias.copy_(wave(layer.bias.shape, 0.05) / 10)
    return critic


def test_concat_critic_takes_the_target_first(vectors):
    entry = vector(vectors, "concat_discriminator_formula_weights")
    expected, tolerance = entry["expected"], entry["abs_tol"]
    critic = formula_critic()
    source, background, target = (
        wave((3, 64), frequency).abs().requires_grad_() for frequency in (0.7, 0.31, 0.53)
    )
    positive, negative = critic(target, source), critic(target, background)
    loss = jsd_loss(positive, negative)
    loss.backward()
    loss = loss.detach()
    assert positive.tolist() == pytest.approx(expected["T_pos"], abs=tolerance)
    assert negative.tolist() == pytest.approx(expected["T_neg"], abs=tolerance)
    assert float(loss) == pytest.approx(expected["loss"], abs=tolerance)
    for values, name in ((source, "source"), (background, "background"), (target, "target")):
        total = float(values.grad.abs().sum())
        assert total == pytest.approx(expected[f"sum_abs_grad_{name}"], abs=tolerance)
    swapped = critic(source, target).tolist()
    assert swapped == pytest.approx(expected["T_pos_if_order_swapped"], abs=tolerance)


def test_projected_fingerprint(vectors):
    entry = vector(vectors, "fingerprint_unet_bilinear")
    parts = nn.ModuleList([UNet(3, 1), projection_head(64)]).double().eval()
    with torch.no_grad():
        for layer in parts.modules():
            if isinstance(layer, nn.Conv2d):
                rows, columns = layer.weight.shape[-2:]
                y = torch.arange(rows, dtype=torch.float64)[:, None]
                x = torch.arange(columns, dtype=torch.float64)
                pattern = (0.4 + 0.6 * torch.cos(1 + 2 * y + 3 * x)) / math.sqrt(rows * columns)
                layer.weight.copy_(pattern.expand_as(layer.weight) / layer.in_channels)
                layer.bias.fill_(0.05)
    n, c, y, x = (torch.arange(size, dtype=torch.float64) for size in entry["input"]["shape"])
    images = (11 * n[:, None, None, None] + 5 * c[:, None, None] + 3 * y[:, None] + 7 * x) % 23
    checkerboard = ((y[:, None] // 8 + x // 8) % 2 == 0).double()
    disc = ((y[:, None] - 20) ** 2 + (x - 30) ** 2 < 225).double()
    mask = torch.stack((checkerboard, disc))[:, None]
    with torch.no_grad():
        _, features = with_tap(parts[0], UNET.taps["decoder_last"], images / 22)
        projected = parts[1](features)
    for name, region in (("pos", mask), ("neg", 1 - mask)):
        vectors_found = pool_mean(projected, region)[:, 0]
        expected = entry["expected"][f"proto_{name}_channel0"]
        assert vectors_found[:, 0].tolist() == pytest.approx(expected, abs=entry["abs_tol"])
        assert torch.allclose(vectors_found, vectors_found[:, :1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["concat", "dot", "conv"])
def test_critics_score_each_pair_by_itself(kind):
    torch.manual_seed(0)
    critic = build_critic(kind, 6)
    target, source = torch.randn(5, 3, 6), torch.randn(5, 3, 6)
    scores = critic(target, source)
    assert scores.shape == (5, 3)
    assert torch.allclose(critic(target[1:2], source[1:2]), scores[1:2], atol=1e-5)
    assert not torch.allclose(critic(source, target), scores, atol=1e-3)


def test_critics_are_told_apart():
    kinds = {"concat": ConcatCritic, "dot": DotCritic, "conv": ConvCritic}
    assert all(type(build_critic(kind, 4)) is expected for kind, expected in kinds.items())
    assert build_critic("concat", 4, 32).layers[0].out_features == 32


def test_dot_critic_starts_from_temperature_and_identity():
    critic = DotCritic(8)
    assert float(critic.log_scale.detach().exp()) == pytest.approx(1 / 0.07)
    weight = critic.target.shortcut.weight.detach()
    assert torch.equal(weight.diagonal(), torch.ones(8))
    off = weight - torch.eye(*weight.shape)
    assert 0 < float(off.abs().max()) <= 0.01
    scores = critic(torch.randn(4, 8), torch.randn(4, 8))
    assert float(scores.detach().abs().max()) <= 1 / 0.07 + 1e-4


def test_frozen_statistics_still_normalise_by_the_batch():
    norm = nn.Sequential(nn.BatchNorm2d(2))
    images = 5 + torch.randn(4, 2, 8, 8)
    with frozen_statistics(norm):
        inside = norm(images)
    assert torch.equal(norm[0].running_mean, torch.zeros(2))
    assert int(norm[0].num_batches_tracked) == 0
    assert torch.equal(norm(images), inside)
    assert float(norm[0].running_mean.min()) > 0.3


def test_frozen_statistics_end_with_the_block_even_on_failure():
    norm = nn.BatchNorm2d(2)

    def fail():
        with frozen_statistics(norm):
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert norm.track_running_stats


def test_halve_follows_the_structure():
    whole = torch.arange(6)
    first, second = halve({"a": whole, "b": [whole + 1, whole + 2]}, 2)
    assert first["a"].tolist() == [0, 1]
    assert second["a"].tolist() == [2, 3, 4, 5]
    assert first["b"][1].tolist() == [2, 3]
    assert second["b"][0].tolist() == [3, 4, 5, 6]
