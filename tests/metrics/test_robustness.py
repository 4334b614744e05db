"""Drop and area, by hand."""

from __future__ import annotations

import pytest

from histokit.metrics.robustness import Level, Robustness, area, relative_drop
from histokit.metrics.table import Summary


def levels(*means):
    def summary(mean):
        return Summary("dice", "", "higher", "fraction", mean, None, None, 1, 0, 0, 1)

    return [Level(number, "", {"dice": summary(mean)}) for number, mean in enumerate(means)]


def test_drop_is_relative_to_level_0():
    found = levels(0.8, 0.6, 0.9, None)
    drops = [relative_drop(found, "dice", place) for place in range(4)]
    assert drops[:3] == pytest.approx([0, 0.25, -0.125])
    assert drops[3] is None
    assert relative_drop(levels(0.0, 0.5), "dice", 1) is None


def test_area_is_that_of_trapezoids_over_0_to_1():
    assert area(levels(0.7, 0.7, 0.7), "dice") == pytest.approx(0.7)
    assert area(levels(1.0, 0.5, 0.0), "dice") == pytest.approx(0.5)
    assert area(levels(0.8, 0.6, 0.2), "dice") == pytest.approx((0.7 + 0.4) / 2)
    assert area(levels(0.8, None, 0.2), "dice") is None
    assert area(levels(0.8), "dice") is None


def test_metrics_are_those_of_the_levels():
    assert Robustness({"blur": levels(1.0, 0.5)}, seed=0).metrics == ["dice"]
