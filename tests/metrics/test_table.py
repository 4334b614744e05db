"""Summaries against reference values; the file gives back what was written."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.errors import DataError
from histokit.metrics.classes import panoptic
from histokit.metrics.contingency import contingency
from histokit.metrics.scores import Metric, score
from histokit.metrics.table import ImageScore, read_per_image_csv, summarise, write_per_image_csv


def rows_of(values, groups=None):
    groups = groups or [""] * len(values)
    return [
        ImageScore(f"image-{i}", group, {"pq": value})
        for i, (value, group) in enumerate(zip(values, groups, strict=True))
    ]


def scores_of(data):
    """The scores of the reference pairs by name."""
    return {
        pair["name"]: score(np.array(pair["true"], np.int32), np.array(pair["pred"], np.int32))
        for pair in data["pairs"]
    }


def test_reference_aggregation(vectors):
    data = vectors("metrics")
    expected = data["aggregation_over_all_pairs"]
    rows = [ImageScore(name, "", found.values()) for name, found in scores_of(data).items()]
    found = {s.metric: s for s in summarise(rows)}
    for name, mean in expected["per_image_mean_skip_both_empty"].items():
        summary = found[{"dice1": "dice"}.get(name, name)]
        assert summary.mean == pytest.approx(mean, abs=1e-6)
        assert (summary.n, summary.n_skipped, summary.n_failed) == (11, 1, 0)
        assert summary.low < summary.mean < summary.high
    zero = {s.metric: s for s in summarise(rows, empty="zero")}
    conic = expected["conic_pq_per_image_mean_including_both_empty_as_zero"]
    assert zero["pq"].mean == pytest.approx(conic, abs=1e-6)


def test_reference_pooled_counts(vectors):
    data = vectors("metrics")
    pooled = data["aggregation_over_all_pairs"]["pooled"]
    scores = scores_of(data).values()
    assert [sum(getattr(s, k) for s in scores) for k in ("tp", "fp", "fn")] == [11, 9, 9]
    assert math.fsum(s.sum_iou for s in scores) == pytest.approx(pooled["sum_iou"], abs=1e-6)
    n_true, n_pred = (sum(getattr(s, k) for s in scores) for k in ("n_true", "n_pred"))
    found = panoptic(n_true, n_pred, 11, math.fsum(s.sum_iou for s in scores), eps=1e-6)
    assert found == pytest.approx(pooled["pq"], abs=1e-9)
    tables = [
        contingency(np.array(p["true"], np.int32), np.array(p["pred"], np.int32))
        for p in data["pairs"]
    ]
    shared = sum(table.overlap.sum() for table in tables)
    pixels = sum(table.true.areas.sum() + table.pred.areas.sum() for table in tables)
    assert 2 * shared / pixels == pytest.approx(pooled["dice_pixels_pooled"], abs=1e-9)


@pytest.mark.parametrize(
    ("empty", "mean", "n", "skipped"),
    [("skip", 0.5, 2, 1), ("one", 2 / 3, 3, 0), ("zero", 1 / 3, 3, 0)],
)
def test_the_rule_for_empty_images(empty, mean, n, skipped):
    (summary,) = summarise(rows_of([0.25, None, 0.75]), empty=empty)
    assert summary.mean == pytest.approx(mean)
    assert (summary.n, summary.n_skipped, summary.empty) == (n, skipped, empty)


def test_failed_images_are_counted_and_never_averaged():
    rows = [*rows_of([0.5, 0.7]), ImageScore("broken", "", {"pq": 0.0}, "cannot read broken.png")]
    (summary,) = summarise(rows)
    assert summary.mean == pytest.approx(0.6)
    assert (summary.n, summary.n_failed) == (2, 1)


def test_failures_are_counted_even_where_nothing_else_is():
    summaries = summarise([ImageScore("broken", "", {}, "cannot read broken.png")])
    assert {s.metric for s in summaries} >= {"dice", "pq"}
    assert all(s.mean is None and s.low is None and s.n_failed == 1 for s in summaries)
    assert "no image" in summaries[0].interval_note
    assert summarise([]) == []


def test_patients_are_drawn_where_images_share_one():
    values = [0.1, 0.12, 0.5, 0.52, 0.9, 0.92]
    (shared,) = summarise(rows_of(values, ["p1", "p1", "p2", "p2", "p3", "p3"]))
    (alone,) = summarise(rows_of(values))
    assert (shared.n_groups, alone.n_groups) == (3, 6)
    assert shared.high - shared.low > alone.high - alone.low
    assert "3 groups of images" in shared.interval_note
    assert "6 images" in alone.interval_note


def test_a_single_patient_has_no_interval_and_it_is_said():
    (summary,) = summarise(rows_of([0.1, 0.9], ["p1", "p1"]))
    assert (summary.mean, summary.low, summary.high) == (0.5, None, None)
    assert summary.interval_note == "no interval: 2 images of a single group"


def test_a_nameless_group_is_not_the_group_of_that_name():
    rows = [ImageScore("p1", "", {"pq": 0.1}), ImageScore("x", "p1", {"pq": 0.9})]
    assert summarise(rows)[0].n_groups == 2


def test_other_metrics_come_with_their_description():
    psnr = Metric("psnr", "of the whole image", unit="dB")
    (summary,) = summarise([ImageScore("a", "", {"psnr": 31.0})], metrics={"psnr": psnr})
    assert (summary.metric, summary.unit, summary.variant) == ("psnr", "dB", "of the whole image")


@pytest.mark.parametrize(
    "rows",
    [
        rows_of([0.5, math.nan]),
        rows_of([0.5, math.inf]),
        [*rows_of([0.5]), ImageScore("half", "", {})],
        [ImageScore("odd", "", {"pique": 0.5})],
    ],
)
def test_incomplete_scores_are_refused(rows):
    with pytest.raises(DataError):
        summarise(rows)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = st.dictionaries(
    st.sampled_from(["dice", "pq", "other"]), st.none() | st.floats(allow_nan=False), max_size=3
)


@given(st.lists(st.builds(ImageScore, TEXT, TEXT, VALUES, TEXT), max_size=6))
def test_the_file_gives_back_the_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "per_image.csv"
    write_per_image_csv(path, rows)
    assert read_per_image_csv(path) == rows


def test_the_file_reads_as_a_table(tmp_path):
    path = tmp_path / "report" / "per_image.csv"
    rows = [
        ImageScore("a", "p1", {"pq": 0.1, "dice": None}),
        ImageScore("b", "p1", {}, "cannot read b.png"),
    ]
    write_per_image_csv(path, rows)
    lines = path.read_text().splitlines()
    assert lines == ["key,group,error,dice,pq", "a,p1,,NA,0.1", "b,p1,cannot read b.png,,"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("name,pq\na,0.5\n", "name,pq"),
        ("key,group,error,pq\na,,,half\n", "row 2"),
        ("key,group,error,pq\na,,,0.5\nb,\n", "row 3"),
    ],
)
def test_a_file_that_is_not_such_a_table_is_told(tmp_path, text, words):
    path = tmp_path / "per_image.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_per_image_csv(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_per_image_csv(tmp_path / "per_image.csv")
