"""The planned U-Net: sizes, levels, taps, start weights, and images that do not know each other."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from histokit.interfaces.spec import load_object
from histokit.nn.nnunet.card import NNUNET_PLAIN
from histokit.nn.nnunet.head import SemanticHead
from histokit.nn.nnunet.network import PlannedUNet
from histokit.nn.taps import with_taps


def small(channels=3, outputs=1, levels=4):
    torch.manual_seed(0)
    return PlannedUNet(channels, outputs, levels=levels, width=4)


def test_card_is_torch_free():
    code = "import histokit.nn.nnunet.card, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_card_builds_a_network_with_its_taps():
    options = {**NNUNET_PLAIN.options, "width": 2}
    module = load_object(NNUNET_PLAIN.factory, "nnunet-plain")(3, 2, **options).eval()
    assert isinstance(load_object(NNUNET_PLAIN.head, "nnunet-plain")(), SemanticHead)
    side = NNUNET_PLAIN.sizes.min
    paths = [NNUNET_PLAIN.taps[name] for name in ("decoder_last", "bottleneck")]
    with torch.no_grad():
        logits, (last, deep) = with_taps(module, paths, torch.rand(1, 3, side, side))
    assert torch.equal(module.heads[0](last), logits)
    assert deep.shape == (1, 32, 2, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("levels", "count"), [(2, 1), (3, 1), (4, 2), (5, 3)])
def test_maps_halve_in_training_and_are_one_in_evaluation(channels, levels, count):
    network = small(channels, 3, levels)
    images = torch.rand(2, channels, 64, 32)
    maps = network(images)
    assert [tuple(m.shape) for m in maps] == [(2, 3, 64 >> k, 32 >> k) for k in range(count)]
    finest = network.eval()(images)
    assert torch.allclose(finest, maps[0], atol=1e-6)


def test_every_parameter_is_trained():
    network = small()
    sum(m.sum() for m in network(torch.rand(2, 3, 32, 32))).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_batch_is_as_one_by_one():
    network = small(levels=3)
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        batch = network(images)[0]
        single = torch.cat([network(image[None])[0] for image in images])
    assert torch.allclose(batch, single, atol=1e-5)


def test_stage_is_the_written_out_computation():
    """Convolution, normalisation of each map by its own mean and variance, leaky ReLU of 0.01."""
    stage = small().encoder[0]
    images = torch.rand(2, 3, 8, 8)
    features = images
    for conv, norm in ((stage[0], stage[1]), (stage[3], stage[4])):
        features = nn.functional.conv2d(features, conv.weight, conv.bias, padding=1)
        mean = features.mean((2, 3), keepdim=True)
        spread = ((features - mean) ** 2).mean((2, 3), keepdim=True)
        features = (features - mean) / (spread + 1e-5).sqrt()
        features = features * norm.weight[:, None, None] + norm.bias[:, None, None]
        features = torch.where(features > 0, features, 0.01 * features)
    assert torch.allclose(stage(images), features, atol=1e-5)


def test_weights_start_as_he_has_it():
    torch.manual_seed(0)
    network = PlannedUNet(3, 1, levels=3, width=32)
    conv = network.encoder[1][0]
    expected = math.sqrt(2 / (1 + 0.01**2) / (32 * 9))
    assert float(conv.weight.detach().std()) == pytest.approx(expected, rel=0.03)
    assert not conv.bias.any()
