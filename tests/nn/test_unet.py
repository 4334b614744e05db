"""The U-Net against the reference: parameter counts and fingerprints of the whole network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from histokit.errors import UnknownName
from histokit.nn.unet import UNet


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def parameters(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def recipe(module):
    """Fills weights as the reference values were made, whatever the names of the layers."""
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            with torch.no_grad():
                rows, columns = layer.weight.shape[-2:]
                y = torch.arange(rows, dtype=torch.float64)[:, None]
                x = torch.arange(columns, dtype=torch.float64)
                pattern = (0.4 + 0.6 * torch.cos(1 + 2 * y + 3 * x)) / math.sqrt(rows * columns)
                layer.weight.copy_(pattern.expand_as(layer.weight) / layer.in_channels)
                layer.bias.fill_(0.05)
    return module


def recipe_images(shape):
    n, c, y, x = (torch.arange(size, dtype=torch.float64) for size in shape)
    grid = 11 * n[:, None, None, None] + 5 * c[:, None, None] + 3 * y[:, None] + 7 * x
    return (grid % 23) / 22


@pytest.mark.parametrize(
    ("upsample", "name"),
    [
        ("bilinear", "unet_bilinear_without_heads"),
        ("transpose", "unet_transpose_without_heads"),
    ],
)
def test_parameter_counts(vectors, upsample, name):
    expected = vector(vectors, "parameter_counts")["expected"][name]
    assert parameters(UNet(3, 1, upsample=upsample)) == expected


@pytest.mark.parametrize("upsample", ["bilinear", "transpose"])
def test_fingerprint(vectors, upsample):
    entry = vector(vectors, f"fingerprint_unet_{upsample}")
    network = recipe(UNet(3, 1, upsample=upsample))
    with torch.no_grad():
        logits = network(recipe_images(entry["input"]["shape"]))
    expected = entry["expected"]["logits"]
    height, width = logits.shape[-2:]
    found = {
        "mean": logits.mean(),
        "std_population": logits.std(correction=0),
        "min": logits.min(),
        "max": logits.max(),
        "at_[0,0,0,0]": logits[0, 0, 0, 0],
        "at_[0,0,1,2]": logits[0, 0, 1, 2],
        "at_[0,0,H//2,W//3]": logits[0, 0, height // 2, width // 3],
        "at_[0,0,H-1,W-1]": logits[0, 0, height - 1, width - 1],
    }
    assert list(logits.shape) == expected["shape"]
    for key, value in found.items():
        assert float(value) == pytest.approx(expected[key], abs=entry["abs_tol"]), key


@pytest.mark.parametrize("upsample", ["bilinear", "transpose"])
@pytest.mark.parametrize("size", [(16, 16), (48, 32), (37, 50)])
def test_output_has_the_size_of_the_input(upsample, size):
    network = UNet(1, 2, width=4, upsample=upsample).eval()
    assert network(torch.zeros(1, 1, *size)).shape == (1, 2, *size)


def test_every_parameter_is_trained():
    network = UNet(3, 1, width=4)
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_unknown_upsampling_names_the_known_ones():
    with pytest.raises(UnknownName, match="bilinear"):
        UNet(3, 1, upsample="bilinaer")
