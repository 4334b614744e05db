"""PanNuke's scores against the reference example."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.metrics.papers.pannuke import nested_mean, quality, table
from histokit.metrics.table import ImageScore, summarise
from histokit.metrics.tally import described, tally

NAMES = ("neoplastic", "inflammatory", "connective", "dead", "epithelial")


def image(objects):
    """An id map and classes from [id, channel, y0, y1, x0, x1]."""
    ids = np.zeros((12, 12), np.int32)
    for number, _, y0, y1, x0, x1 in objects:
        ids[y0:y1, x0:x1] = number
    return ids, {o[0]: o[1] + 1 for o in objects}


def tallies(data, names=NAMES):
    found = []
    rows = zip(data["true_objects"], data["pred_objects"], data["tissue"], strict=True)
    for true, pred, tissue in rows:
        (truth, true_classes), (prediction, pred_classes) = image(true), image(pred)
        found.append(
            tally(
                truth, prediction, true_classes, pred_classes, n_classes=len(names), stratum=tissue
            )
        )
    return found


def means(found, names):
    rows = [ImageScore(str(i), "", one.values(names)) for i, one in enumerate(found)]
    return {s.metric: s.mean for s in summarise(rows, metrics=described(names))}


def close(found, wanted):
    assert (found is None) == (wanted is None)
    assert found is None or found == pytest.approx(wanted, abs=1e-9)


def test_reference_example(vectors):
    data = vectors("metrics")["pannuke_example"]
    found = tallies(data)
    for one, classes, mpq, bpq in zip(
        found,
        data["per_image_per_class_pq"],
        data["per_image_mpq"],
        data["per_image_bpq"],
        strict=True,
    ):
        own = quality(one)
        for mine, wanted in zip(own.classes, classes, strict=True):
            close(mine, wanted)
        close(own.mpq, mpq)
        close(own.bpq, bpq)
    rows = {row.metric: row for row in table(found, NAMES, means(found, NAMES))}
    close(rows["mpq"].paper, data["average_mpq_over_tissues"])
    close(rows["bpq"].paper, data["average_bpq_over_tissues"])
    for name, wanted in zip(NAMES, data["class_pq_over_images"], strict=True):
        close(rows[f"pq:{name}"].paper, wanted)
    for tissue in ("Breast", "Colon"):
        close(rows[f"mpq@{tissue}"].paper, data["tissue_mpq"][tissue])
        close(rows[f"bpq@{tissue}"].paper, data["tissue_bpq"][tissue])
    assert (rows["bpq"].n, rows["bpq@Colon"].n) == (2, 0)


def test_ours_counts_false_positives_where_the_truth_is_empty(vectors):
    found = tallies(vectors("metrics")["pannuke_example"])
    rows = {row.metric: row for row in table(found, NAMES, means(found, NAMES))}
    assert rows["bpq@Colon"].ours == rows["mpq@Colon"].ours == 0
    assert rows["pq:dead"].ours == 0
    assert rows["mpq"].ours < rows["mpq"].paper


def test_a_wholly_covered_nucleus_does_not_break_the_score(vectors):
    ids = np.array(vectors("metrics")["pannuke_binarize_overwrite"]["binarized"], np.int32)
    found = tally(ids, ids, {2: 2, 3: 3}, {2: 2, 3: 3}, n_classes=5)
    assert quality(found).bpq == pytest.approx(1, abs=1e-6)


def test_folds_are_averaged_within_a_tissue_first():
    values = [("a", "1", 1.0), ("a", "1", 0.0), ("a", "2", 1.0), ("b", "1", 0.25), ("b", "2", None)]
    assert nested_mean(values) == pytest.approx(((0.5 + 1.0) / 2 + 0.25) / 2)
    assert nested_mean([]) is None


def test_several_folds_have_rows_of_their_own():
    ids = np.ones((4, 4), np.int32)
    found = [tally(ids, ids, fold="fold1"), tally(ids, 0 * ids, fold="fold2")]
    rows = {row.metric: row for row in table(found, (), means(found, ()))}
    assert list(rows) == ["bpq", "bpq@fold1", "bpq@fold2"]
    assert rows["bpq"].paper == pytest.approx(0.5, abs=1e-6)
    assert rows["bpq@fold2"].paper == 0
