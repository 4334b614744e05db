"""Stain normalisation and jitter beside the packages for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import hed2rgb, rgb2hed

from histokit.data.augment import Geometry, apply_stain
from histokit.registry.methods import find_method
from histokit.run.context import RunContext
from histokit.run.machine import open_machine


@pytest.fixture
def translator():
    def built(name):
        spec = find_method(name)
        return spec.load().build(spec.config(), RunContext(open_machine("cpu", "32")))

    return built


@pytest.mark.parametrize(("backend", "goal"), [("torch", 1.2), ("numpy", 1.8)])
def test_macenko_beside_torchstain(beside, stained, translator, backend, goal):
    normalizers = pytest.importorskip("torchstain").normalizers
    theirs = normalizers.MacenkoNormalizer(backend=backend)
    theirs_tile = stained if backend == "numpy" else torch.from_numpy(stained).permute(2, 0, 1)
    theirs.fit(theirs_tile)
    beside(
        ours(translator("macenko"), stained),
        lambda: theirs.normalize(theirs_tile, stains=False),
        name=f"torchstain, {backend}",
        goal=goal,
        missed="percentiles, angles and least squares of every pixel, with 64 bits",
    )


def test_reinhard_beside_torchstain(beside, stained, translator):
    normalizers = pytest.importorskip("torchstain").normalizers
    theirs = normalizers.ReinhardNormalizer(backend="numpy")
    theirs.fit(stained)
    beside(
        ours(translator("reinhard"), stained),
        lambda: theirs.normalize(stained),
        name="torchstain, numpy",
        goal=10,
        missed="scikit-image's Lab, there and back",
    )


def ours(translator, tile):
    images = torch.from_numpy(tile).permute(2, 0, 1)[None].float() / 255
    return lambda: translator.translate(images)


def test_stain_jitter_beside_scikit_image(beside, stained):
    batch = torch.from_numpy(np.stack([stained] * 4)).permute(0, 3, 1, 2).contiguous().float() / 255
    jitter = [Geometry(stain=((1.1, 0.01), (0.9, 0.0), (1.0, -0.01)))] * 4

    def theirs():
        for _ in range(4):
            hed2rgb(rgb2hed(stained) * [1.1, 0.9, 1.0] + [0.01, 0.0, -0.01])

    beside(
        lambda: apply_stain(batch, jitter),
        theirs,
        name="scikit-image",
        goal=15,
        missed="a logarithm and an exponential of every pixel; a table of them needs bytes",
    )
