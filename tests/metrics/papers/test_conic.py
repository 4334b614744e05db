"""CoNIC's scores against the reference example."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.metrics.classes import ClassCounts, class_pq
from histokit.metrics.papers.conic import table
from histokit.metrics.table import ImageScore, summarise
from histokit.metrics.tally import described, tally

NAMES = ("neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective")


def image(objects):
    """An id map and classes from [id, channel, y0, y1, x0, x1]."""
    ids = np.zeros((12, 12), np.int32)
    for number, _, y0, y1, x0, x1 in objects:
        ids[y0:y1, x0:x1] = number
    return ids, {o[0]: o[1] + 1 for o in objects}


def rows_of(found, names, empty="skip"):
    rows = [ImageScore(str(i), "", one.values(names)) for i, one in enumerate(found)]
    ours = {s.metric: s.mean for s in summarise(rows, metrics=described(names), empty=empty)}
    return {row.metric: row for row in table(found, names, ours)}


@pytest.fixture
def found(vectors):
    """The three images of PanNuke's example, in six classes."""
    data = vectors("metrics")["pannuke_example"]
    pairs = zip(data["true_objects"], data["pred_objects"], strict=True)
    maps = [(*image(true), *image(pred)) for true, pred in pairs]
    return [tally(truth, pred, a, b, n_classes=6) for truth, a, pred, b in maps]


def test_reference_example(vectors, found):
    wanted = vectors("metrics")["conic_mpq_plus_example"]
    total = ClassCounts.total((one.classes for one in found), 6)
    tp, n_true, n_pred = total.tp, total.n_true, total.n_pred
    counts = np.stack([tp, n_pred - tp, n_true - tp, total.sum_iou], axis=1)
    np.testing.assert_allclose(counts, wanted["tp_fp_fn_sumiou_per_class"], atol=1e-9)
    rows = rows_of(found, NAMES)
    for name, value in zip(NAMES, wanted["pq_per_class"], strict=True):
        assert rows[f"pq_plus:{name}"].paper == pytest.approx(value, abs=1e-9)
    assert rows["mpq_plus"].paper == pytest.approx(wanted["mpq_plus"], abs=1e-9)
    ours = wanted["mpq_plus_recommended_present_classes_only"]
    assert rows["mpq_plus"].ours == pytest.approx(ours, abs=1e-6)
    assert rows["pq_plus:connective"].ours is None
    assert class_pq(total)[5] is None


def test_reference_binary_pq_over_all_pairs(vectors):
    data = vectors("metrics")
    found = [
        tally(np.array(pair["true"], np.int32), np.array(pair["pred"], np.int32))
        for pair in data["pairs"]
    ]
    wanted = data["aggregation_over_all_pairs"]
    rows = rows_of(found, ())
    assert list(rows) == ["pq"]
    mean = wanted["conic_pq_per_image_mean_including_both_empty_as_zero"]
    assert rows["pq"].paper == pytest.approx(mean, abs=1e-9)
    assert rows["pq"].ours == pytest.approx(wanted["per_image_mean_skip_both_empty"]["pq"])


def test_r2_of_the_counted_nuclei(vectors):
    """The counts of the reference as single pixels of two classes."""
    data = vectors("metrics")["r2_example"]
    found = []
    for n in range(4):
        maps = []
        for side in ("true_counts", "pred_counts"):
            numbers = [data[side][name][n] for name in "ab"]
            ids = np.zeros((1, 32), np.int32)
            ids[0, : sum(numbers)] = np.arange(1, sum(numbers) + 1)
            maps.append((ids, {i + 1: 1 + (i >= numbers[0]) for i in range(sum(numbers))}))
        (truth, a), (prediction, b) = maps
        found.append(tally(truth, prediction, a, b, n_classes=2))
    rows = rows_of(found, ("a", "b"))
    for name, value in data["r2"].items():
        assert rows[f"r2:{name}"].paper == pytest.approx(value, abs=1e-9)
        assert rows[f"r2:{name}"].ours == pytest.approx(value, abs=1e-9)
    assert rows["r2"].paper == pytest.approx(data["mean"], abs=1e-9)


def test_a_class_whose_count_never_varies(found):
    rows = rows_of(found, NAMES)
    assert (rows["r2:connective"].paper, rows["r2:connective"].ours) == (1.0, None)
    assert rows["r2:plasma"].paper == 0.0
    assert rows["r2"].unit == ""
