"""What the tables print, and which images are picked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.metrics import ImageScore, Summary, summarise
from histokit.metrics.papers import PaperRow
from histokit.report.data import ComparisonRow, PaperTable
from histokit.report.tables import (
    comparison,
    failures,
    footnotes,
    headline,
    label,
    number,
    paper,
    pick_panels,
)

PQ = Summary("pq", "dq × sq", "higher", "fraction", 0.4567, 0.4, 0.5123, 9, 1, 2, 3)


def test_numbers_are_printed_alike():
    assert [number(v) for v in (0.4567, 1.0, 0.0, None)] == ["0.457", "1.000", "0.000", "–"]
    assert number(31.24159, "dB") == "31.24"


def test_names_are_printed_as_papers_do():
    assert [label(n) for n in ("dice", "iou", "aji_plus", "pq")] == ["Dice", "IoU", "AJI+", "PQ"]


def test_names_tell_the_class_tissue_or_fold():
    assert label("pq:dead cells") == "PQ dead cells"
    assert label("mpq@Bile-duct") == "mPQ Bile-duct"
    assert label("f_c:a@b") == "F_c a@b"


def test_a_paper_s_table_tells_each_formula_once():
    rows = [
        PaperRow("mpq_plus", 0.25, "pooled", 0.5, "present", 4),
        PaperRow("pq_plus:a", None, "pooled", 0.5, "present", 4),
        PaperRow("r2", -12.3456, "squares", None, "others", 4, unit=""),
    ]
    found = paper(PaperTable("conic", rows, "no tissues"))
    assert (found.name, found.note, found.file) == ("CoNIC", "no tissues", "paper_conic.csv")
    assert found.lines == (
        ("mPQ+", "0.250", "0.500", 4),
        ("PQ+ a", "–", "0.500", 4),
        ("R²", "-12.35", "–", 4),
    )
    assert found.formulas == (("mPQ+, PQ+ a", "pooled", "present"), ("R²", "squares", "others"))


def test_the_headline_tells_everything_of_a_summary():
    (row,) = headline([PQ])
    assert (row.label, row.arrow, row.mean, row.interval) == ("PQ", "↑", "0.457", "0.400 – 0.512")
    assert (row.n, row.n_skipped, row.n_failed, row.n_groups) == (9, 1, 2, 3)
    assert row.place == pytest.approx((40, 45.67, 51.23))


def test_a_lower_is_better_metric_in_another_unit():
    (row,) = headline([replace(PQ, metric="fid", direction="lower", unit="distance", mean=41.0)])
    assert (row.label, row.arrow, row.unit, row.place) == ("FID", "↓", "distance", None)


def test_without_an_interval_the_reason_is_given():
    (one,) = summarise([ImageScore("a", "p", {"pq": 0.5}), ImageScore("b", "p", {"pq": 0.7})])
    (row,) = headline([one])
    assert (row.mean, row.interval) == ("0.600", "–")
    assert "No interval for PQ: 2 images of a single group." in footnotes([one])


def test_footnotes_are_said_once_and_name_the_rule_for_empty_images():
    notes = footnotes([PQ, replace(PQ, metric="dq")])
    assert len(notes) == 2
    assert notes[0] == "Intervals: 95% percentile bootstrap over 3 groups of images."
    assert "skipped" in notes[1]
    assert "scores 1" in footnotes([replace(PQ, empty="one")])[1]


def test_a_comparison_leaves_a_dash_where_a_method_lacks_a_metric():
    dq = replace(PQ, metric="dq", mean=0.6)
    table = comparison(
        [ComparisonRow("a", 9, {"pq": PQ}), ComparisonRow("b", 8, {"dq": dq, "pq": PQ})]
    )
    assert table.labels == ("PQ", "DQ")
    assert [(method, n, [c.mean for c in cells]) for method, n, cells in table.lines] == [
        ("a", 9, ["0.457", "–"]),
        ("b", 8, ["0.457", "0.600"]),
    ]


def rows_of(*values):
    return [ImageScore(f"{i:03}", "", {"pq": value}) for i, value in enumerate(values)]


def test_failures_are_the_rows_with_an_error():
    broken = ImageScore("x", "", {}, "unreadable")
    assert failures([*rows_of(0.5), broken]) == [broken]


@pytest.mark.parametrize(
    ("values", "picks"),
    [
        ((), {}),
        ((None,), {}),
        ((0.5,), {"only": "000"}),
        ((0.2, 0.9), {"best": "001", "worst": "000"}),
        ((0.2, 0.9, 0.5), {"best": "001", "median": "002", "worst": "000"}),
        ((0.2, None, 0.9, 0.5, 0.6), {"best": "002", "median": "004", "worst": "000"}),
    ],
)
def test_best_median_and_worst(values, picks):
    assert pick_panels(rows_of(*values), "pq") == picks


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30), st.randoms(use_true_random=False))
def test_picks_are_three_images_and_the_order_of_rows_does_not_matter(values, random):
    rows = rows_of(*values)
    picks = pick_panels(rows, "pq")
    assert len(set(picks.values())) == 3
    assert rows[int(picks["best"])].values["pq"] == max(values)
    assert rows[int(picks["worst"])].values["pq"] == min(values)
    assert pick_panels(random.sample(rows, len(rows)), "pq") == picks


def test_failed_images_are_never_picked():
    rows = [*rows_of(0.2, 0.9), ImageScore("x", "", {"pq": 0.0}, "stopped half-way")]
    assert "x" not in pick_panels(rows, "pq").values()
