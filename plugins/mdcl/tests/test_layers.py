"""Spectral norm, blurred resizing and residual blocks, by reference values and torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm

from histokit_mdcl.layers import BlurDown, BlurUp, ResidualBlock, SpectralConv2d, conv


def fixed(entry):
    """The convolution of the vector, with its starting vector."""
    weight = torch.tensor(entry["W"])
    layer = SpectralConv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    with torch.no_grad():
        layer.weight_orig.copy_(weight)
        layer.weight_u.fill_(2**-0.5)
    return layer


def twins(seed=0):
    """Our convolution, and torch's with the same numbers."""
    torch.manual_seed(seed)
    ours = SpectralConv2d(3, 5, 3, padding=1)
    theirs = spectral_norm(nn.Conv2d(3, 5, 3, padding=1), eps=1e-12)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def test_spectral_norm_after_one_step(vectors):
    entry = vectors("mdcl")["spectral_norm_one_step"]
    layer = fixed(entry)
    weight = layer.weight()
    assert torch.allclose(weight, torch.tensor(entry["weight_after"]), rtol=0, atol=1e-5)
    sigma = layer.weight_orig / weight
    assert float(sigma[0, 0, 0, 0].detach()) == pytest.approx(entry["sigma"], abs=1e-5)


def test_the_estimate_becomes_the_largest_singular_value(vectors):
    entry = vectors("mdcl")["spectral_norm_one_step"]
    layer = fixed(entry)
    for _ in range(60):
        weight = layer.weight()
    sigma = (layer.weight_orig / weight)[0, 0, 0, 0].detach()
    assert float(sigma) == pytest.approx(entry["sigma_max"], abs=1e-5)


def test_spectral_norm_is_torchs_over_steps_of_training():
    ours, theirs = twins()
    generator = torch.Generator().manual_seed(1)
    players = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in (ours, theirs)]
    for _ in range(3):
        images = torch.randn(2, 3, 8, 8, generator=generator)
        for layer, player in zip((ours, theirs), players, strict=True):
            player.zero_grad()
            # two passes before one backward, as a step of the method has
            (layer(images).square().mean() + layer(-images).mean()).backward()
            player.step()
        for name, value in theirs.state_dict().items():
            assert torch.allclose(ours.state_dict()[name], value, rtol=0, atol=1e-6), name


def test_evaluation_moves_nothing_and_a_pass_without_gradient_does():
    layer, _ = twins()
    images = torch.randn(1, 3, 8, 8)
    before = copy.deepcopy(layer.state_dict())
    layer.eval()
    first = layer(images)
    assert torch.equal(layer(images), first)
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in before.items())
    layer.train()
    with torch.no_grad():
        layer(images)
    assert not torch.equal(layer.weight_u, before["weight_u"])
    assert torch.equal(layer.weight_orig, before["weight_orig"])


def test_the_norm_is_full_precision_under_autocast():
    plain, _ = twins()
    mixed = copy.deepcopy(plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed.weight()
        assert mixed(torch.randn(1, 3, 8, 8)).dtype == torch.bfloat16
    assert torch.equal(found, plain.weight())


@pytest.mark.parametrize("spectral", [True, False])
def test_starting_weights(spectral):
    torch.manual_seed(0)
    state = conv(3, 64, 7, spectral=spectral).state_dict()
    weight = state["weight_orig" if spectral else "weight"]
    assert float(weight.std()) == pytest.approx(4.9e-4, rel=0.05)
    assert torch.equal(state["bias"], torch.zeros(64))


def test_blurred_halving(vectors):
    entry = vectors("mdcl")["antialias_down"]
    found = BlurDown(1)(torch.tensor(entry["x"])[None, None])
    assert torch.allclose(found[0, 0], torch.tensor(entry["expected"]), rtol=0, atol=1e-6)


def test_blurred_doubling(vectors):
    entry = vectors("mdcl")["antialias_up"]
    found = BlurUp(1)(torch.tensor(entry["x"])[None, None])
    assert torch.allclose(found[0, 0], torch.tensor(entry["expected"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", [BlurDown, BlurUp])
def test_resizing_keeps_channels_apart_and_constants(layer):
    images = torch.zeros(2, 3, 8, 8)
    images[:, 1] = 0.7
    found = layer(3)(images)
    assert torch.allclose(found[:, 1], torch.full_like(found[:, 1], 0.7))
    assert float(found[:, ::2].abs().max()) == 0


def test_residual_block(vectors):
    entry = vectors("mdcl")["resnet_block"]
    block = ResidualBlock(2, spectral=False)
    block.load_state_dict({name: torch.tensor(v) for name, v in entry["parameters"].items()})
    found = block(torch.tensor(entry["x"]))
    assert torch.allclose(found, torch.tensor(entry["expected"]), rtol=0, atol=1e-5)
