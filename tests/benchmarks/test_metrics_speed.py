"""Speed and memory of the scores at three sizes of field; run by hand with ``-m slow``."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from histokit.metrics.scores import score

pytestmark = pytest.mark.slow


def field(side: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """About `count` round nuclei on a jittered grid; the prediction shifts, drops and merges."""
    draws = np.random.default_rng(0)
    cell = side // int(np.ceil(count**0.5))
    n = side // cell
    y, x = np.divmod(np.arange(side * side).reshape(side, side), side)
    row, col = np.minimum(y // cell, n - 1), np.minimum(x // cell, n - 1)
    own = row * n + col
    dy, dx = draws.uniform(0.35, 0.65, (2, n * n)) * cell
    radius = draws.uniform(0.3, 0.55, n * n) * cell
    inside = (y - row * cell - dy[own]) ** 2 + (x - col * cell - dx[own]) ** 2 < radius[own] ** 2
    truth = np.where(inside, own + 1, 0).astype(np.int32)
    named = np.arange(n * n + 1, dtype=np.int32)
    named[1:][draws.random(n * n) < 0.08] = 0
    merged = np.flatnonzero(draws.random(n * n) < 0.1) + 1
    named[merged] = named[merged - 1]
    return truth, np.roll(named[truth], (2, 3), (0, 1))


@pytest.mark.parametrize(
    ("side", "count", "bound_ms"), [(256, 30, 3), (1000, 1500, 50), (4000, 20_000, 800)]
)
def test_speed(benchmark, side, count, bound_ms):
    truth, prediction = field(side, count)
    found = benchmark(score, truth, prediction)
    assert found.n_true >= count
    assert benchmark.stats.stats.median * 1000 < bound_ms


def test_memory_of_a_large_field():
    truth, prediction = field(4000, 20_000)
    tracemalloc.start()
    score(truth, prediction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
