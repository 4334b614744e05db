"""Factors by step: where they begin, where they end, and what lies between."""

from __future__ import annotations

import pytest

from histokit.training.schedule import polynomial, tenfold_drops


def test_polynomial():
    factor = polynomial(10, 0.9)
    assert [factor(0), factor(10), factor(11)] == [1.0, 0.0, 0.0]
    assert factor(5) == pytest.approx(0.5**0.9)


def test_tenfold_drops():
    assert tenfold_drops(0) is None
    factor = tenfold_drops(2)
    assert factor is not None
    assert [factor(n) for n in range(5)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
