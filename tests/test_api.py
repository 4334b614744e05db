"""The functions of `histokit` and its commands give the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from safetensors.numpy import load_file

import histokit as hk
from command import histokit, pair
from histokit.data.perturb import Perturbations
from histokit.data.synth_he import SynthHE
from histokit.errors import ConfigError, DataError, UnknownName, UsageError
from histokit.io.images import read_image
from histokit.io.pictures import write_picture
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.typed import WORDS, typed_options
from histokit.run.events import Finished
from histokit.run.infer import Windows
from typed import options

__all__ = ["histokit", "pair"]
STEPS = {"network": "unet-small", "tile": 32, "batch": 2, "steps": 2, "device": "cpu"}


@pytest.fixture
def image(tmp_path):
    made = SynthHE("breast", n_patients=1, images_per_patient=1, side=96)
    pixels = made.image(made.records()[0])
    write_picture(tmp_path / "in.png", pixels, "png")
    return pixels


def test_training_and_scoring_equal_the_commands(histokit, pair, tmp_path):
    options = [f"--{name}={value}" for name, value in STEPS.items()]
    by_hand = histokit("train", "source-only", *pair, *options, "--json")
    run = tmp_path / json.loads(by_hand.stdout)[0]["run"]
    words = dict(zip(pair[::2], pair[1::2], strict=True))
    given = {name.removeprefix("--"): value for name, value in words.items()}
    seen = []
    ours = hk.train("source-only", **STEPS, **given, runs=tmp_path / "ours", watch=seen.append)
    assert isinstance(seen[-1], Finished)
    weights = [load_file(folder / "checkpoints" / "best.safetensors") for folder in (run, ours)]
    assert weights[0].keys() == weights[1].keys()
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    scored = json.loads(histokit("eval", str(run), "--json").stdout)
    means = {row.metric: row.mean for row in hk.evaluate(ours, device="cpu").summaries}
    assert {row["metric"]: row["mean"] for row in scored["metrics"]} == means


def test_words_of_eval_are_those_of_the_command():
    dashed = {f"--{name.replace('_', '-')}" for name in WORDS}
    assert dashed == options("eval") - {"--json", "--no-stains", "--no-download", "--help"}


def test_words_of_eval_reach_what_they_are_of(tmp_path):
    usual, found = typed_options("x", {}), typed_options(
        "x",
        {
            "window": 96, "batch": 2, "perturb": "blur,jpeg", "levels": 3, "norm": "tile",
            "set": {"reference": "y.png"}, "resnet": "w.pt", "split": "0.5,0.25,0.25",
            "out": str(tmp_path), "tails": 0, "overlap": None,
        },
    )  # fmt: skip
    assert usual == EvalOptions("x")
    assert (found.windows, found.translation.windows) == (Windows(96, 64, 2), Windows(96, 128, 2))
    assert found.perturb == Perturbations(("blur", "jpeg"), 3, 0)
    assert found.translation.settings == {"reference": "y.png"}
    assert (found.translation.norm, found.translation.networks.resnet) == ("tile", Path("w.pt"))
    assert (found.split, found.out, found.tails) == ((0.5, 0.25, 0.25), tmp_path, 0)


def test_a_prediction_equals_the_file_of_the_command(histokit, image, tmp_path):
    histokit("predict", "mani:nuclei-he", "in.png", "--mpp", "0.5", "--device", "cpu")
    (written,) = (tmp_path / "predictions" / "labels").glob("*.tif")
    found = hk.load("mani:nuclei-he", device="cpu").predict(image, mpp=0.5)
    np.testing.assert_array_equal(found.ids, tifffile.imread(written))
    short = hk.predict("mani:nuclei-he", image, mpp=0.5, window=512)
    np.testing.assert_array_equal(short.ids, found.ids)
    assert found.probabilities.shape == (1, 192, 192)
    assert found.ids.max() > 0


def test_a_translation_equals_the_file_of_the_command(histokit, image, tmp_path):
    histokit("translate", "macenko", "in.png", "-o", "out")
    (written,) = (tmp_path / "out").glob("*.png")
    np.testing.assert_array_equal(hk.translate("macenko", image), read_image(written))


def test_the_names_are_there_without_torch():
    code = "import histokit, sys; dir(histokit); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = hk.segment


def test_wrong_words_and_wrong_arrays_are_told(image, tmp_path):
    with pytest.raises(ConfigError, match="batchh"):
        hk.train("source-only", source="synth-he", batchh=2, runs=tmp_path)
    with pytest.raises(UnknownName, match="did you mean target"):
        hk.evaluate("otsu-hed", targt="synth-he")
    model = hk.load("otsu-hed", device="cpu")
    for wrong in (image[..., 0], image.astype(np.float32), image[:0], "in.png"):
        with pytest.raises(DataError, match="no RGB image"):
            model.predict(wrong)
    with pytest.raises(UsageError, match="does not translate"):
        model.translate(image)
