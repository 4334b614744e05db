"""`histokit eval --perturb`, typed."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from histokit.cli.app import app
from histokit.data.synth_he import SynthHE


def type_(out, *words):
    made = SynthHE("breast", n_patients=2, images_per_patient=1, side=64)
    for number, record in enumerate(made.records()):
        for part, pixels in (
            ("images", made.image(record)),
            ("masks", made.labels(record).ids.astype(np.uint16)),
        ):
            (out / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(out / part / f"{number}.png")
    options = ("--target", f"folder:{out}", "--part", "all", "-o", str(out / "report"))
    return CliRunner().invoke(
        app, ["eval", "otsu-hed", *options, "--device", "cpu", *words], prog_name="histokit"
    )


def test_the_table_names_every_level(tmp_path):
    result = type_(tmp_path, "--perturb", "brightness,jpeg", "--levels", "1")
    assert result.exit_code == 0, result.output
    for text in ("brightness: unchanged", "values times 0.5 or 1.5", "quality 10", "jpeg: area"):
        assert text in result.stdout


def test_json_holds_the_levels(tmp_path):
    result = type_(tmp_path, "--perturb", "blur", "--levels", "1", "--json")
    levels = json.loads(result.stdout)["robustness"]["perturbations"]["blur"]["levels"]
    assert [level["level"] for level in levels] == [0, 1]


def test_an_unknown_kind(tmp_path):
    result = type_(tmp_path, "--perturb", "blurr")
    assert result.exit_code == 2
    assert "did you mean blur?" in result.stderr
