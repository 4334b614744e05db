"""Pseudo-labels as a user makes them: both paths trained, asked for, measured and told."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from command import SPLIT
from histokit.io.labels import read_label_tiff

TINY = (
    "--preset", "cpu", "--device", "cpu", "--channels", "3", "--tile", "64", "--steps", "2",
    "--check-steps", "1", "--segment-steps", "2", "--log-every", "1",
    "--set", "width=8", "--set", "translator_width=4", "--set", "segment_width=2",
)  # fmt: skip


@pytest.mark.slow
def test_the_walk_of_both_paths(histokit, pair, tmp_path):
    assert pair[-2:] == SPLIT
    done = histokit("train", "syndiff-pl", *pair, *TINY)
    assert "translation favours" in done.stderr
    (tmp_path / "tiles").mkdir()
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "tiles" / "a.png")

    told = histokit("predict", "syndiff-pl", "tiles", "-o", "both").stderr
    assert "mean agreement" in told
    (row,) = csv.DictReader((tmp_path / "both" / "ledger.csv").read_text().splitlines())
    assert int(row["found"]) == int(row["kept"]) + int(row["dropped"])
    assert 0 <= float(row["agreement"]) <= 1
    assert float(row["shift"]) >= 0
    assert (tmp_path / "both" / "agreement" / "a.h5").is_file()

    told = histokit("predict", "syndiff-pl:tutoring", "tiles", "-o", "one").stderr
    assert "use tutoring" in told
    assert not (tmp_path / "one" / "agreement").exists()
    assert read_label_tiff(tmp_path / "one" / "labels" / "a.tif").shape == (70, 90)

    for direction in ("l2u", "u2l"):
        histokit("translate", "syndiff-pl", direction, "tiles", "-o", direction, "--norm", "tile")
    pictures = [np.asarray(Image.open(tmp_path / way / "a.png")) for way in ("l2u", "u2l")]
    assert not np.array_equal(*pictures)

    scored = histokit("eval", "syndiff-pl:unadapted", "--target", pair[3], "--json").stdout
    assert json.loads(scored)["images"] == 2
    fixed = histokit("predict", "syndiff-pl", "tiles", "--set", "path=adaptive", code=2).stderr
    assert "keep the settings" in fixed
