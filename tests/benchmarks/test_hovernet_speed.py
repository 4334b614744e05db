"""Targets and post-processing of HoVer-Net beside MONAI's."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.postprocess.hover import hover
from histokit.postprocess.hv_maps import hv_maps

FIELDS = {256: 30, 540: 120, 1000: 1500, 4000: 20_000}
"""Nuclei by the side of the image."""


@pytest.mark.parametrize(("side", "goal"), [(256, 4), (540, 3), (1000, 17)])
def test_targets(beside, field, side, goal):
    """The goals are those beside CellViT, which is no package; MONAI's are the same formula."""
    transforms = pytest.importorskip("monai.transforms")
    ids = field(side, FIELDS[side])
    theirs = transforms.ComputeHoVerMaps()
    assert np.abs(hv_maps(ids)).max() == 1
    beside(
        lambda: hv_maps(ids),
        lambda: theirs(ids[None]),
        name="MONAI",
        goal=goal,
        rounds=5,
    )


@pytest.mark.parametrize(("side", "goal"), [(256, 2), (1000, 4.7)])
def test_post_processing(beside, field, side, goal):
    post = pytest.importorskip("monai.apps.pathology.transforms.post.array")
    ids = field(side, FIELDS[side])
    noise = np.random.default_rng(1).normal(0, 0.05, (2, side, side))
    hv = (hv_maps(ids) + noise).astype(np.float32)
    foreground = np.where(ids > 0, 0.95, 0.05).astype(np.float32)
    theirs = post.HoVerNetInstanceMapPostProcessing(
        activation="sigmoid", mask_threshold=0.5, sobel_kernel_size=21
    )
    logits = np.where(ids > 0, 3, -3).astype(np.float32)[None]
    found = hover(foreground, hv, ids % 5)
    assert len(found.areas) >= 0.95 * FIELDS[side]
    beside(
        lambda: hover(foreground, hv, ids % 5),
        lambda: theirs(logits, hv),
        name="MONAI",
        goal=goal,
        rounds=3,
    )
