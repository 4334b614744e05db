"""What the tests of this plugin share: weights and images by formula, and a small method."""

from __future__ import annotations

import math

import pytest
import torch

from histokit.interfaces import Network, Pair, Unlabelled
from histokit.nn.nnunet.card import NNUNET_PLAIN
from histokit.nn.nnunet.head import SemanticHead
from histokit.nn.nnunet.network import PlannedUNet
from histokit.training.updater import Updater
from histokit_syndiff_pl import SPEC, SynDiffConfig

TINY = {
    "tile": 64,
    "width": 8,
    "factors": (1, 1, 2),
    "blocks": 1,
    "latent": 4,
    "latent_width": 8,
    "critic_width": 1,
    "critic_embedding": 4,
    "translator_width": 4,
    "translator_blocks": 1,
    "patch_width": 4,
    "patch_layers": 2,
    "segment_width": 2,
    "segment_batch": 2,
    "pool": 4,
}


@pytest.fixture
def vector(vectors):
    """Reference values of one case by name."""
    return lambda name: vectors("syndiff-pl")[name]


@pytest.fixture
def fill():
    """Gives a network the weights that the reference values were computed with."""

    def go(module, order):
        parameters = list(module.parameters())
        assert len(parameters) == len(order)
        for k, ((name, shape), parameter) in enumerate(zip(order, parameters, strict=True)):
            j = torch.arange(math.prod(shape), dtype=torch.float64)
            if len(shape) > 1:
                fan_in = shape[0] if name.endswith(".W") else math.prod(shape[1:])
                values = torch.sin(0.37 * (j + 1) + k) / math.sqrt(fan_in)
            else:
                values = 0.05 * torch.cos(j + k)
                if name.endswith("style.bias"):
                    values[: shape[0] // 2] += 1
                elif name.endswith("weight"):
                    values += 1
            values = values.reshape(shape).float()
            parameter.data.copy_(values.T if name.endswith(".W") else values)

    return go


@pytest.fixture
def wave():
    """Images by formula, [1 1 side side]: ``wave(torch.sin, 3, 5, 16)`` is sin(x/3 + y/5)."""

    def go(function, across, down, side):
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        return function(x / across + y / down)[None, None]

    return go


class ToyContext:
    """A context on the CPU that knows one network."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 1
    tile = 64
    mpp = None
    seed = 0

    def __init__(self, classes=()):
        self.classes = classes
        self.outputs = len(classes) + 1 if classes else 1

    def network(self, name, in_channels, out_channels, **options):
        assert name == NNUNET_PLAIN.name
        module = PlannedUNet(in_channels, out_channels, **options)
        return Network(name, module, SemanticHead(), NNUNET_PLAIN.taps, NNUNET_PLAIN.sizes)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


@pytest.fixture
def build():
    """A small method with the given settings on top; its weights follow from `seed`."""

    def go(seed=0, classes=(), **settings):
        torch.manual_seed(seed)
        return SPEC.load().build(SynDiffConfig(**{**TINY, **settings}), ToyContext(classes))

    return go


@pytest.fixture
def batch():
    """Images of two toy domains: bright discs on dark ground, dark discs on light ground."""

    def discs(count, channels, generator):
        y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
        images = torch.zeros(count, channels, 64, 64)
        for image in images:
            for _ in range(6):
                row, column = torch.randint(8, 56, (2,), generator=generator)
                radius = int(torch.randint(4, 10, (1,), generator=generator))
                image[:, (y - row) ** 2 + (x - column) ** 2 < radius**2] = 1.0
        return images

    def go(seed=1, count=1, channels=1):
        generator = torch.Generator().manual_seed(seed)
        labelled = 0.1 + 0.8 * discs(count, channels, generator)
        unlabelled = 0.9 - 0.5 * discs(count, channels, generator)
        keys = tuple(str(number) for number in range(count))
        return Pair(Unlabelled(labelled, keys), Unlabelled(unlabelled, keys))

    return go
