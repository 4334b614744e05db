"""Rows say what, how many, and why not."""

from __future__ import annotations

import math

from histokit.metrics import Metric
from histokit.metrics.images import mean_row, not_computed

PSNR = Metric("psnr", "uint8", "higher", "dB")


def test_means_count_what_has_no_value():
    row = mean_row(PSNR, {"a": 20.0, "b": 30.0, "c": None, "d": math.inf})
    assert (row.value, row.n, row.skipped) == (25, 2, 2)
    assert row.low <= 25 <= row.high
    assert row.note == "1 pairs of equal images left out"
    assert mean_row(PSNR, {"a": 20.0}).low is None


def test_nothing_to_average_is_said():
    row = mean_row(PSNR, {"a": None})
    assert row.value is None
    assert row.note == "not computed: no pair has a value"
    assert not_computed(PSNR, "no weights").as_dict()["note"] == "not computed: no weights"
    assert not_computed(PSNR, "x").as_dict()["value"] is None
