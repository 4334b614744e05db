"""What one image counts, by name."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.errors import DataError
from histokit.metrics.classes import mean
from histokit.metrics.tally import describe, described, tally

TRUTH = np.zeros((40, 40), np.int32)
TRUTH[2:10, 2:10] = 1
TRUTH[20:30, 20:30] = 5
NAMES = ("round", "long", "never")


def test_names_are_those_that_are_described():
    found = tally(TRUTH, TRUTH, {1: 1, 5: 2}, {1: 1, 5: 2}, n_classes=3)
    for names in ((), NAMES):
        assert list(found.values(names)) == list(described(names))
    for name, metric in described(NAMES).items():
        assert metric.name == name
        assert "one image" in metric.variant or not name.startswith(("dice:", "pq:", "f_c:"))


def test_a_perfect_prediction():
    values = tally(TRUTH, TRUTH, {1: 1, 5: 2}, {1: 1, 5: 2}, n_classes=3).values(NAMES)
    assert values["f_d"] == values["f_c:round"] == values["f_c:long"] == 1
    assert values["mpq"] == values["pq:long"] == pytest.approx(1, abs=1e-5)
    assert values["pq:never"] is values["f_c:never"] is None
    assert (values["dice:round"], values["dice:long"], values["dice:never"]) == (1, 1, None)


def test_dice_of_a_class_counts_its_pixels_whatever_object_they_belong_to():
    cut = TRUTH.copy()
    cut[20:30, 25:30] = 7  # the right half of object 5, and of the class of object 1
    values = tally(TRUTH, cut, {1: 1, 5: 2}, {1: 1, 5: 2, 7: 1}, n_classes=3).values(NAMES)
    assert values["dice:round"] == 2 * 64 / (64 + 64 + 50)
    assert values["dice:long"] == 2 * 50 / (100 + 50)
    cut[20:30, 20:25] = 9
    parts = tally(TRUTH, cut, {1: 1, 5: 2}, {1: 1, 9: 2, 7: 2}, n_classes=3).values(NAMES)
    assert parts["dice:long"] == 1


def test_classes_that_are_swapped_lose_only_class_scores():
    values = tally(TRUTH, TRUTH, {1: 1, 5: 2}, {1: 2, 5: 1}, n_classes=3).values(NAMES)
    assert values["dice"] == values["f_d"] == 1
    assert values["pq:round"] == values["pq:long"] == values["f_c:round"] == values["mpq"] == 0
    assert values["dice:round"] == values["dice:long"] == 0


def test_objects_without_class_count_as_missed():
    values = tally(TRUTH, TRUTH, {1: 1, 5: 2}, {5: 2}, n_classes=3).values(NAMES)
    assert (values["pq:round"], values["f_c:round"]) == (0, 0)
    assert values["mpq"] == mean([0, values["pq:long"]])


def test_without_classes_none_are_looked_at():
    found = tally(TRUTH, TRUTH, {}, {1: 99})
    assert found.classes.tp.size == 0
    assert found.nearest is None
    with pytest.raises(DataError, match="classes from 0 to 99"):
        tally(TRUTH, TRUTH, {}, {1: 99}, n_classes=3)


def test_images_without_nuclei_have_no_score():
    nothing = np.zeros_like(TRUTH)
    found = tally(nothing, nothing, n_classes=3, nearest=True)
    assert set(found.values(NAMES).values()) == {None}
    assert found.nearest.paired.sum() == found.pairs.missed.sum() == 0


def test_metrics_read_back_are_known_with_their_classes():
    names = ["dice", "mpq", "pq:tumour", "f_c:lymph", "fd_enc1"]
    found = describe(names)
    assert list(found) == names
    assert [found[name].direction for name in names] == [*["higher"] * 4, "none"]
    assert "tumour" in found["pq:tumour"].variant
    assert describe(["mpq"])["mpq"] == found["mpq"]
