"""Speed of the targets and the post-processing of HoVer-Net; run by hand with ``-m slow``."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

from histokit.postprocess.hover import hover
from histokit.postprocess.hv_maps import fix_mirror_padding, hv_maps

pytestmark = pytest.mark.slow

FIELDS = {256: 30, 540: 120, 1000: 1500, 4000: 20_000}
"""Nuclei by the side of the image."""
RELEASE_POST = {256: 13.2, 1000: 619.0, 4000: 102_000.0}
"""Milliseconds of CPU that the authors' post-processing took on the machine of the anchors."""
RELEASE_TARGETS = {256: 10.3, 540: 105.0, 1000: 4000.0}
"""The same for their targets."""


def field(side: int, count: int) -> np.ndarray:
    """At least `count` round nuclei of many sizes on a jittered grid, some of them touching."""
    draws = np.random.default_rng(0)
    n = int(np.ceil(count**0.5))
    cell = side // n
    n = side // cell
    y, x = np.divmod(np.arange(side * side).reshape(side, side), side)
    row, col = np.minimum(y // cell, n - 1), np.minimum(x // cell, n - 1)
    own = row * n + col
    dy, dx = draws.uniform(0.35, 0.65, (2, n * n)) * cell
    radius = draws.uniform(0.3, 0.55, n * n) * cell
    inside = (y - row * cell - dy[own]) ** 2 + (x - col * cell - dx[own]) ** 2 < radius[own] ** 2
    return np.where(inside, own + 1, 0).astype(np.int32)


def cpu_ms(benchmark):
    return 1000 * benchmark.stats.stats.median


@pytest.mark.benchmark(timer=process_time)
@pytest.mark.parametrize(("side", "times"), [(256, 3), (540, 10), (1000, 10)])
def test_targets(benchmark, side, times):
    ids = field(side, FIELDS[side])
    maps = benchmark(lambda: hv_maps(fix_mirror_padding(ids)))
    assert np.abs(maps).max() == 1
    assert cpu_ms(benchmark) < RELEASE_TARGETS[side] / times


@pytest.mark.benchmark(timer=process_time)
@pytest.mark.parametrize(("side", "times"), [(256, 1), (1000, 3), (4000, 20)])
def test_post_processing(benchmark, side, times):
    ids = field(side, FIELDS[side])
    noise = np.random.default_rng(1).normal(0, 0.05, (2, side, side))
    hv = (hv_maps(ids) + noise).astype(np.float32)
    foreground = np.where(ids > 0, 0.95, 0.05).astype(np.float32)
    nuclei = benchmark.pedantic(hover, (foreground, hv, ids % 5), rounds=3, warmup_rounds=1)
    assert len(nuclei.areas) >= 0.95 * FIELDS[side]
    assert cpu_ms(benchmark) < RELEASE_POST[side] / times
