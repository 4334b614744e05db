"""HoVer-Net's tables: where its script stops, what it pairs, what it weighs."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.metrics.papers.hovernet import INSTANCES, table
from histokit.metrics.table import ImageScore, summarise
from histokit.metrics.tally import described, tally

NAMES = ("a", "b")


def rows_of(found, names=()):
    rows = [ImageScore(str(i), "", one.values(names)) for i, one in enumerate(found)]
    ours = {s.metric: s.mean for s in summarise(rows, metrics=described(names))}
    return {row.metric: row for row in table(found, names, ours)}


def dots(*places):
    """One object of a pixel at each column of a long row, ids from 1."""
    ids = np.zeros((1, 100), np.int32)
    for number, place in enumerate(places, start=1):
        ids[0, place] = number
    return ids


def test_reference_means_over_the_images_that_the_script_survives(vectors):
    pairs = [
        p for p in vectors("metrics")["pairs"] if p["name"] not in ("both_empty", "pred_empty")
    ]
    found = [
        tally(np.array(p["true"], np.int32), np.array(p["pred"], np.int32), nearest=True)
        for p in pairs
    ]
    rows = rows_of(found)
    for name in INSTANCES:
        wanted = [
            p["expected_hover_net"]["dq_sq_pq"][("dq", "sq", "pq").index(name)]
            if name in ("dq", "sq", "pq")
            else p["expected_hover_net"][{"dice": "dice1"}.get(name, name)]
            for p in pairs
        ]
        assert rows[name].paper == pytest.approx(np.mean(wanted), abs=1e-9), name
        assert rows[name].ours == pytest.approx(rows[name].paper, abs=1e-9)


def test_images_without_nuclei_stop_the_script_and_not_us():
    ids, nothing = dots(3), dots()
    no_prediction = rows_of([tally(ids, ids, nearest=True), tally(ids, nothing, nearest=True)])
    assert no_prediction["aji"].paper is None
    assert no_prediction["aji"].ours == no_prediction["dice"].paper == 0.5
    empty = rows_of([tally(ids, ids, nearest=True), tally(nothing, nothing, nearest=True)])
    assert {empty[name].paper for name in INSTANCES} == {None}
    assert empty["dice"].ours == 1
    assert empty["f_d"].paper == empty["f_d"].ours == 1  # no dummy nucleus at (0, 0)


def test_the_script_pairs_at_the_least_total_distance_and_ours_the_most():
    found = [tally(dots(50, 80), dots(60, 10), nearest=True)]
    rows = rows_of(found)
    assert rows["f_d"].paper == 0
    assert rows["f_d"].ours == pytest.approx(2 / 4)


def test_types_are_weighed_over_all_images_together():
    classes = [({1: 1, 2: 2}, {1: 1, 2: 1}), ({1: 1, 2: 2}, {1: 1, 2: 2})]
    found = [
        tally(dots(5, 50), dots(6, 51), true, pred, n_classes=2, nearest=True)
        for true, pred in classes
    ]
    rows = rows_of(found, NAMES)
    assert rows["accuracy"].paper == 0.75
    assert rows["f_c:a"].paper == rows["f_c:a"].ours == pytest.approx(2 * 2 / (2 * 2 + 2 * 1))
    assert rows["f_c:b"].paper == pytest.approx(2 * 1 / (2 * 1 + 2 * 1))


def test_without_classes_there_are_no_class_rows():
    rows = rows_of([tally(dots(5), dots(5), nearest=True)])
    assert list(rows) == [*INSTANCES, "dice2", "f_d"]
