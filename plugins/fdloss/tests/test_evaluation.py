"""The commands of the paper's figures, from training to tables."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from command import Command
from histokit.cli.app import app

SMALL = (
    "--preset", "cpu", "--tile", "32", "--batch", "2", "--layers", "enc1,dec1",
    "--warmup-steps", "1", "--penalised-steps", "1", "--split", "0.5,0.25,0.25",
    "--device", "cpu", "--threads", "1",
)  # fmt: skip


@pytest.fixture
def two(tmp_path):
    """Two folders of images of 48 pixels with dark discs: 4 old ones and 5 new ones."""
    draws = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    for name, count, ground in (("old", 4, 220), ("new", 5, 180)):
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        for n in range(count):
            ids = np.zeros((48, 48), np.uint16)
            for number, (y, x) in enumerate(draws.integers(8, 40, (4, 2)), start=1):
                ids[(rows - y) ** 2 + (columns - x) ** 2 < 30] = number
            image = np.where(ids[..., None] > 0, 70, ground) + draws.integers(-9, 9, (48, 48, 3))
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / name / "images" / f"{n}.png")
            Image.fromarray(ids).save(tmp_path / name / "masks" / f"{n}.png")
    return f"folder:{tmp_path / 'old'}", f"folder:{tmp_path / 'new'}"


def test_added_images_from_command_to_plot(two, tmp_path):
    base, novel = two
    typed = ("train", "fdloss", "--base", base, "--novel", novel, "--novel-batches", "2", *SMALL)
    histokit = Command(tmp_path)
    told = json.loads(histokit(*typed, "--arms", "exchange", "--json").stdout)
    assert (told["cells"], told["failed"]) == (1, [])
    (point,) = told["points"]
    assert (point["arm"], point["added"], point["images"]) == ("exchange", 2, 1)
    (run,) = told["runs"]
    with (tmp_path / run / "report" / "per_image.csv").open() as handle:
        (row,) = csv.DictReader(handle)
    assert {"fd_enc1", "fd_dec1", "fd_mean"} <= row.keys()
    assert float(row["fd_mean"]) == pytest.approx(
        (float(row["fd_enc1"]) + float(row["fd_dec1"])) / 2, rel=1e-5
    )
    facts = (tmp_path / run / "report" / "facts.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in facts[1:]] == ["enc1", "dec1"]
    shown = CliRunner().invoke(app, [*typed, "--arms", "exchange,plain", "--dry-run", "--json"])
    again = json.loads(shown.stdout)
    assert len(again["cells"]) == 2
    assert any(cell["digest"][:8] in run for cell in again["cells"])
