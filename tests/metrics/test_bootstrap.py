"""The interval covers what it should, and patients count as one draw each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.metrics.bootstrap import mean_interval


def test_it_covers_the_true_mean_about_as_often_as_promised():
    draws = np.random.default_rng(1)
    names = [str(i) for i in range(40)]
    inside = 0
    for trial in range(200):
        low, high = mean_interval(draws.normal(0.7, 0.1, 40), names, resamples=500, seed=trial)
        inside += low <= 0.7 <= high
    assert 0.89 <= inside / 200 <= 0.985


def test_its_width_is_that_of_the_standard_error():
    values = np.random.default_rng(2).normal(size=400)
    low, high = mean_interval(values, [str(i) for i in range(400)])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_groups_of_like_images_widen_it():
    draws = np.random.default_rng(3)
    values = np.repeat(draws.normal(size=12), 10) + 0.1 * draws.normal(size=120)
    by_image = mean_interval(values, [str(i) for i in range(120)])
    by_group = mean_interval(values, [str(i // 10) for i in range(120)])
    assert by_group[1] - by_group[0] > 2 * (by_image[1] - by_image[0])


def test_a_draw_is_the_mean_over_images_not_over_groups():
    low, high = mean_interval([0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"], level=0.2)
    assert low == high == 0.75  # half of all draws are {a, b}: 3 of 4 images


def test_one_group_has_no_interval():
    assert mean_interval([0.1, 0.9], ["a", "a"]) is None
    assert mean_interval([], []) is None


def test_a_seed_gives_the_same_interval_in_blocks_or_at_once(monkeypatch):
    values, names = np.linspace(0, 1, 30), [str(i) for i in range(30)]
    whole = mean_interval(values, names, seed=4)
    assert whole == mean_interval(values, names, seed=4)
    assert whole != mean_interval(values, names, seed=5)
    monkeypatch.setattr("histokit.metrics.bootstrap._BLOCK", 64)
    assert whole == mean_interval(values, names, seed=4)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_it_lies_within_the_values(values):
    low, high = mean_interval(values, [str(i) for i in range(len(values))], resamples=50)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
