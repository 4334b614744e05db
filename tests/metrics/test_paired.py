"""Paired tests give the known answers, and take a patient as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from histokit.errors import DataError
from histokit.metrics.paired import holm, paired, sign_flip_p, unit_of, wilcoxon_p
from histokit.metrics.table import ImageScore


def alone(count):
    return [f"image {i}" for i in range(count)]


@pytest.mark.parametrize(
    ("sums", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # only +++ and --- reach 6
        ([1.0, 2.0, 3.0, 4.0, 5.0], 2 / 32),
        ([-1.0, 2.0, 3.0], 4 / 8),  # 4 is reached by |6|, |4|: +++ -++ and their mirrors
        ([0.1, 0.1, -0.2], 1.0),
        ([0.0, 0.0], 1.0),
    ],
)
def test_the_exact_permutation_test_by_hand(sums, p):
    assert sign_flip_p(np.array(sums)) == p


def test_the_permutation_test_equals_scipys():
    for size, tolerance in ((8, 1e-12), (30, 0.015)):
        sums = np.random.default_rng(size).normal(0.3, 1, size)
        theirs = stats.permutation_test(
            (sums,), np.sum, permutation_type="samples", n_resamples=20_000, vectorized=False
        )
        assert sign_flip_p(sums) == pytest.approx(theirs.pvalue, abs=tolerance)


def test_drawn_patterns_repeat_with_the_seed_and_are_never_0():
    sums = np.linspace(1, 2, 60)
    assert sign_flip_p(sums, resamples=500, seed=3) == 1 / 501
    mixed = np.random.default_rng(0).normal(size=60)
    assert sign_flip_p(mixed, seed=3) == sign_flip_p(mixed, seed=3) != sign_flip_p(mixed, seed=4)


@pytest.mark.parametrize("size", [5, 12, 80])
def test_wilcoxon_equals_scipys(size):
    draws = np.random.default_rng(size)
    first, second = draws.normal(0.6, 0.1, size), draws.normal(0.65, 0.1, size)
    expected = stats.wilcoxon(second, first).pvalue
    assert paired(first, second, alone(size)).p_wilcoxon == pytest.approx(expected, rel=1e-12)


def test_wilcoxon_with_ties_and_zeros_is_quiet():
    assert 0 < wilcoxon_p(np.array([0.0, 0.1, 0.1, -0.1, 0.0, 0.3])) <= 1
    assert wilcoxon_p(np.zeros(4)) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.6]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_order_and_lies_between_none_and_bonferroni(values):
    found = holm(values)
    pairs = zip(values, found, strict=True)
    assert all(p <= q <= min(1, len(values) * p) for p, q in pairs)
    by_size = sorted(zip(values, found, strict=True))
    assert [q for _, q in by_size] == sorted(found)
    assert holm([*values, None])[:-1] == found


def test_equal_scores_do_not_differ():
    found = paired([0.2, 0.4, 0.9], [0.2, 0.4, 0.9], alone(3))
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert (found.p_permutation, found.p_wilcoxon) == (1, 1)


def test_the_difference_is_second_less_first_in_its_interval():
    draws = np.random.default_rng(1)
    first = draws.uniform(0.3, 0.6, 40)
    found = paired(first, first + draws.normal(0.1, 0.02, 40), alone(40))
    assert found.low < 0.1 < found.high
    assert found.difference == pytest.approx(0.1, abs=0.01)
    assert found.p_permutation < 0.001
    assert not found.exact


def test_images_of_one_patient_are_one_piece_of_evidence():
    first, second = np.zeros(40), np.full(40, 0.1)
    second[:10] = 0.05
    patients = [f"group {i // 10}" for i in range(40)]
    found = paired(first, second, patients)
    assert (found.n, found.n_units, found.exact) == (40, 4, True)
    assert found.p_permutation == found.least_p == 2 / 16
    assert paired(first, second, alone(40)).p_permutation < 0.001


def test_a_single_patient_cannot_be_tested():
    found = paired([0.1, 0.2], [0.3, 0.5], ["group a", "group a"])
    assert found.p_permutation is found.p_wilcoxon is found.low is found.high is None
    assert found.difference == pytest.approx(0.25)
    assert found.least_p == 1


def test_units_are_groups_or_images():
    rows = [ImageScore("a", "p", {}), ImageScore("b", "p", {}), ImageScore("p", "", {})]
    assert len({unit_of(row) for row in rows}) == 2


@pytest.mark.parametrize("lengths", [(0, 0, 0), (2, 3, 2), (2, 2, 3)])
def test_lists_that_do_not_fit_are_refused(lengths):
    first, second, units = lengths
    with pytest.raises(DataError, match="in pairs"):
        paired([0.1] * first, [0.1] * second, alone(units))


SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=9)


@given(SCORES)
def test_swapping_the_methods_turns_only_the_sign(scores):
    first, second = zip(*scores, strict=True)
    units = alone(len(scores))
    there, back = paired(first, second, units), paired(second, first, units)
    assert there.difference == -back.difference
    assert there.p_permutation == back.p_permutation
    assert there.p_permutation >= there.least_p


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_images_never_matters_to_the_tests(scores, random):
    rows = [(a, b, f"image {i % 4}") for i, (a, b) in enumerate(scores)]
    shuffled = random.sample(rows, len(rows))
    left, right = (paired(*zip(*part, strict=True)) for part in (rows, shuffled))
    assert left.difference == pytest.approx(right.difference, abs=1e-12)
    assert left.p_permutation == pytest.approx(right.p_permutation)
