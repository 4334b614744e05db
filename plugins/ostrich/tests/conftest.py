"""What the tests of this plugin share: reference values, small generators, toy images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histokit.interfaces import Labelled, Maps, Sizes
from histokit.training.updater import Updater
from histokit_ostrich import SPEC, OstrichConfig
from histokit_ostrich.generator import Generator, Shape

SIDE = 16
TINY = {
    "tile": SIDE,
    "batch": 4,
    "depth": 1,
    "width": 4,
    "steps": 100,
    "warmup": 0,
    "critic_width": 4,
    "critic_layers": 2,
    "critic_steps": 1,
}


EIGHTS = Sizes(multiple_of=8)


class Darkness:
    """A judge that calls nuclei what is dark."""

    channels = 3

    def __init__(self, activation="sigmoid", sizes=EIGHTS):
        self.sizes = sizes
        self.activation = activation

    def segment(self, images):
        assert all(self.sizes.allows(side) for side in images.shape[-2:])
        logits = 60 * (0.62 - images.mean(1, keepdim=True))
        if self.activation == "softmax":
            return Maps(torch.cat((0 * logits, logits), 1), "softmax")
        return Maps(logits, "sigmoid")


@pytest.fixture
def darkness():
    return Darkness


class ToyContext:
    """A context on the CPU."""

    device = torch.device("cpu")
    precision = "32-true"
    channels = 3
    outputs = 1
    mpp = None

    def __init__(self, seed=0, classes=()):
        self.seed = seed
        self.classes = classes
        torch.manual_seed(seed)

    def segmenter(self, ref):
        return {"darkness": Darkness}[ref]()

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


@pytest.fixture
def vector(vectors):
    """Reference values of one case by name."""
    return lambda name: vectors("ostrich")[name]


@pytest.fixture
def build(monkeypatch):
    """A small method from settings, with small clouds of points to be quick."""
    monkeypatch.setattr("histokit_ostrich.losses.PATCHES", 256)
    monkeypatch.setattr("histokit_ostrich.losses.BLOCKS", 64)

    def go(seed=0, classes=(), **settings):
        config = OstrichConfig(**{**TINY, **settings})
        return SPEC.load().build(config, ToyContext(seed, classes))

    return go


@pytest.fixture(scope="session")
def randomised():
    """Gives every weight of a module a small random value."""

    def go(module, scale=0.02, seed=0):
        generator = torch.Generator().manual_seed(seed)
        for weight in module.parameters():
            noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.data.add_((scale * noise).to(weight.dtype))
        return module

    return go


@pytest.fixture(scope="session")
def small(randomised):
    """A small generator with random weights."""

    def go(dtype=torch.float32, scale=0.02, **shape):
        torch.manual_seed(0)
        made = Generator(Shape(**{"depth": 1, "width": 4, **shape}))
        return randomised(made, scale).to(dtype).eval()

    return go


@pytest.fixture(scope="session")
def toy():
    """A batch of pink ground with dark violet discs."""

    def go(seed=1, count=4, side=SIDE):
        generator = torch.Generator().manual_seed(seed)
        y, x = torch.arange(side)[:, None], torch.arange(side)
        ids = torch.zeros(count, side, side, dtype=torch.int32)
        for sample in range(count):
            for number in range(1, 3 + side // 12):
                row, column = torch.randint(0, side, (2,), generator=generator)
                ids[sample][(y - row) ** 2 + (x - column) ** 2 < 12] = number
        inside = (ids > 0).float()[:, None]
        nuclei = torch.tensor([0.35, 0.25, 0.55]).view(1, 3, 1, 1)
        ground = torch.tensor([0.9, 0.6, 0.8]).view(1, 3, 1, 1)
        noise = 0.05 * torch.randn(count, 3, side, side, generator=generator)
        images = (inside * nuclei + (1 - inside) * ground + noise).clamp(0, 1)
        return Labelled(images, ids, None, tuple(f"toy/{seed}-{k}" for k in range(count)))

    return go


class Formula(nn.Module):
    """A subnet given by a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, features):
        return self.function(features)


@pytest.fixture
def formula():
    return Formula
