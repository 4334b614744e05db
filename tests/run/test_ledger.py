"""The ledger of pseudo-labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from histokit.interfaces import Instances, Maps
from histokit.run.ledger import in_words, line_of, write_ledger


def picture():
    rng = np.random.default_rng(0)
    return np.repeat(rng.integers(0, 256, (32, 48, 1), np.uint8), 3, axis=2)


def maps(**extra):
    return Maps(torch.zeros(1, 1, 32, 48), "sigmoid", extra)


def objects(*scores):
    numbered = dict(enumerate(scores, 1))
    return Instances(np.zeros((32, 48), np.int32), {}, numbered)


def test_a_line_reads_the_extra_maps():
    image = picture()
    moved = np.roll(image, (0, 3), (0, 1))[..., :1].transpose(2, 0, 1)
    extra = {
        "agreement": torch.full((1, 1, 32, 48), 0.75),
        "translated": 1 - torch.from_numpy(moved)[None].float() / 255,
    }
    line = line_of(Path("a.png"), image, maps(**extra), objects(0.9, 0.3), objects(0.9))
    assert (line.kept, line.scores) == (1, (0.9, 0.3))
    assert line.confidence == pytest.approx(0.6)
    assert line.agreement == pytest.approx(0.75)
    assert line.shift == pytest.approx(3)
    plain = line_of(Path("a.png"), image, maps(), objects(), objects())
    assert (plain.confidence, plain.agreement, plain.shift) == (None, None, None)


def test_lines_and_totals_are_written(tmp_path):
    lines = [
        line_of(Path("a.png"), picture(), maps(), objects(0.95, 0.31), objects(0.95)),
        line_of(Path("b.png"), picture(), maps(), objects(0.91), objects(0.91)),
    ]
    totals = write_ledger(tmp_path, lines)
    rows = list(csv.DictReader((tmp_path / "ledger.csv").read_text().splitlines()))
    assert [(row["image"], row["found"], row["kept"], row["dropped"]) for row in rows] == [
        ("a.png", "2", "1", "1"),
        ("b.png", "1", "1", "0"),
    ]
    assert rows[0]["agreement"] == ""
    assert json.loads((tmp_path / "ledger.json").read_text()) == totals
    assert (totals["found"], totals["kept"], totals["dropped"]) == (3, 2, 1)
    assert totals["histogram"]["objects"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert in_words(totals) == "ledger: 3 objects found, 1 dropped, mean confidence 0.723"
