"""Tails hold the images of lowest and highest Dice, as many as the paper or the user says."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.metrics.table import ImageScore, summarise
from histokit.metrics.tails import tail_size, tails

DICE = np.random.default_rng(3).permutation(np.linspace(0.1, 0.9, 20)).round(3).tolist()


def rows_of(values):
    return [
        ImageScore(f"i{n:02}", f"p{n // 2}", {"dice": v, "iou": v / (2 - v), "pq": 0.5})
        for n, v in enumerate(values)
    ]


def means(found, name="dice"):
    return [part.summaries[name].mean for part in found.parts]


def test_the_worst_and_best_by_dice():
    found = tails(rows_of(DICE), 4)
    ranked = sorted(DICE)
    assert [part.which for part in found.parts] == ["all", "worst-off", "best-off"]
    assert [len(part.keys) for part in found.parts] == [20, 4, 4]
    assert means(found) == pytest.approx([np.mean(DICE), np.mean(ranked[:4]), np.mean(ranked[-4:])])
    assert means(found, "iou")[1] == pytest.approx(np.mean([v / (2 - v) for v in ranked[:4]]))
    assert list(found.parts[0].summaries) == ["dice", "iou"]
    assert found.note == "4 of 20 images in each tail"


def test_intervals_are_those_of_the_summary():
    rows = rows_of(DICE)
    (whole,) = [s for s in summarise(rows) if s.metric == "dice"]
    part = tails(rows, 5).parts[0].summaries["dice"]
    assert (part.low, part.high, part.n_groups) == (whole.low, whole.high, 10)


@pytest.mark.parametrize(
    ("dataset", "images", "size"),
    [
        ("tnbc", 50, 10), ("tnbc@reannotated", 5, 1), ("monuseg", 44, 25), ("monuseg", 14, 8),
        ("udiat", 163, 35), ("adtau", 10_000, 500), ("us-tnbc", 15, 10), ("mine", 3, 1),
    ],
)  # fmt: skip
def test_sizes_are_the_paper_s_and_scale(dataset, images, size):
    found, note = tail_size(None, images, dataset)
    assert found == size
    assert note.startswith(f"{size} of {images} images in each tail, a share of ")


def test_more_than_there_are_is_capped_and_said():
    found = tails(rows_of(DICE[:3]), 10)
    assert [len(part.keys) for part in found.parts] == [3, 3, 3]
    assert found.note == "3 of 3 images in each tail; 10 were asked for; 3 images are in both"


def test_images_without_a_dice_are_in_no_part():
    rows = [
        *rows_of(DICE[:4]),
        ImageScore("empty", "", {"dice": None, "iou": None}),
        ImageScore("failed", "", {}, "broken"),
    ]
    assert sorted(tails(rows, 1).parts[0].keys) == ["i00", "i01", "i02", "i03"]
    assert tails(rows[3:], 1) is None


def test_a_baseline_may_pick_the_images():
    rows = rows_of(DICE)
    baseline = {row.key: -row.values["dice"] for row in rows}
    baseline.pop("i00")
    found = tails(rows, 3, ranked_by=baseline)
    others = sorted(DICE[1:])
    assert len(found.parts[0].keys) == 19
    assert means(found)[1:] == pytest.approx([np.mean(others[-3:]), np.mean(others[:3])])
