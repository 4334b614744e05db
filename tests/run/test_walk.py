"""Train, eval, predict: the walk as a user types it, with every installed method."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from command import TINY
from histokit.io.geojson import read_geojson
from histokit.io.labels import read_label_tiff
from histokit.metrics.table import read_per_image_csv

STEPS = {
    "mani": ("--warmup-steps", "2", "--adapt-steps", "2"),
    "source-only": ("--steps", "4"),
    "adabn": ("--steps", "3", "--adabn-steps", "1"),
    "oracle": ("--steps", "4"),
    "dann": ("--warmup-steps", "2", "--adapt-steps", "2"),
    "adversarial-output": ("--warmup-steps", "2", "--adapt-steps", "2"),
}
MORE_OF_A_KIND = ("oracle", "dann", "adversarial-output")
"""Methods whose commands differ from others' in nothing but the name; `check` trains them, too."""


def _tiles(folder, number=2):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(number):
        Image.fromarray(rng.integers(0, 255, (40, 56, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    return folder


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in MORE_OF_A_KIND)) for name in STEPS],
)
def test_train_eval_predict(histokit, pair, tmp_path, method):
    done = histokit("train", method, *pair, *TINY, *STEPS[method], "--val-every", "2", "--json")
    (run,) = json.loads(done.stdout)
    folder = tmp_path / run["run"]
    settings = yaml.safe_load((folder / "run.yaml").read_text())
    assert settings["settings"]["tile"] == {"value": 32, "origin": "option"}
    assert settings["settings"]["augment"]["origin"] == "default"
    assert {"split.json", "env.json", "state.json", "metrics.csv", "events.jsonl", "card.md"} <= {
        path.name for path in folder.iterdir()
    }

    scored = json.loads(histokit("eval", method, "--target", pair[3], "--json").stdout)
    rows = read_per_image_csv(folder / "report" / "per_image.csv")
    assert scored["images"] == len(rows) == 2
    assert {m["metric"] for m in scored["metrics"]} >= {"dice", "aji", "pq"}
    dice = next(m for m in scored["metrics"] if m["metric"] == "dice")
    assert dice["n_groups"] == 2

    histokit("predict", str(folder), _tiles(tmp_path / "tiles"), "-o", "out")
    ids = read_label_tiff(tmp_path / "out" / "labels" / "0.tif")
    assert ids.shape == (40, 56)
    with h5py.File(tmp_path / "out" / "probabilities" / "0.h5") as store:
        assert store["probabilities"].shape == (1, 40, 56)
    outlines = read_geojson(tmp_path / "out" / "geojson" / "0.geojson", (40, 56))
    assert np.array_equal(outlines > 0, ids > 0)
    assert (tmp_path / "out" / "overlay" / "1.png").exists()


def test_a_method_without_training_needs_no_run(histokit):
    done = histokit("eval", "otsu-hed", "--target", "synth-he@breast", "--json")
    dice = next(m for m in json.loads(done.stdout)["metrics"] if m["metric"] == "dice")
    assert 0.3 < dice["mean"] <= 1


def test_repeats_train_with_seeds_counting_up(histokit, pair):
    done = histokit(
        "train", "source-only", *pair[:2], *TINY, "--steps", "1", "--repeats", "2", "--seed", "5",
        "--json",
    )  # fmt: skip
    runs = json.loads(done.stdout)
    seeds = [
        yaml.safe_load((histokit.folder / run["run"] / "run.yaml").read_text())["run"]["seed"]
        for run in runs
    ]
    assert [seed["value"] for seed in seeds] == [5, 6]


def test_dry_run_shows_origins_and_trains_nothing(histokit, pair, tmp_path):
    (tmp_path / "my.yaml").write_text("lr: 0.002\n")
    done = histokit(
        "train", "mani", *pair, "--preset", "cpu", "--config", "my.yaml", "--set", "batch=3",
        "--dry-run", "--json",
    )  # fmt: skip
    settings = json.loads(done.stdout)["settings"]
    assert settings["lr"] == {"value": 0.002, "origin": "my.yaml"}
    assert settings["batch"] == {"value": 3, "origin": "--set"}
    assert settings["network"] == {"value": "unet-small", "origin": "preset cpu"}
    assert not (tmp_path / "runs").exists()
