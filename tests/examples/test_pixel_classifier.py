"""The example plugin, installed by its metadata alone and used as a user would."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from fixtures.fakes import install
from histokit.io.labels import read_label_tiff

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pixel-classifier"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Makes the plugin known to commands that are started from here."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    install(tmp_path / "site", project["name"], "\n".join(lines) + "\n", project["version"])
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{EXAMPLE}")


@pytest.mark.usefixtures("installed")
def test_it_is_listed_trained_scored_and_used(histokit, pair, tmp_path):
    listed = json.loads(histokit("methods", "list", "--json").stdout)
    (row,) = [row for row in listed if row["name"] == "pixel-classifier"]
    assert (row["status"], row["distribution"]) == ("ok", "histokit-pixel-classifier")

    trained = histokit(
        "train", "pixel-classifier", *pair[:2], *pair[4:], "--steps", "200", "--lr", "0.2",
        "--tile", "32", "--device", "cpu", "--json",
    )  # fmt: skip
    assert "Warning" not in trained.stderr
    (run,) = json.loads(trained.stdout)
    scored = json.loads(histokit("eval", "pixel-classifier", "--target", pair[1], "--json").stdout)
    dice = next(m for m in scored["metrics"] if m["metric"] == "dice")
    assert dice["n"] == 2
    assert dice["mean"] > 0.5

    images = Path(pair[1].partition(":")[2]) / "images"
    histokit("predict", run["run"], str(images), "-o", "out")
    ids = [read_label_tiff(path) for path in (tmp_path / "out" / "labels").iterdir()]
    assert len(ids) == 8
    assert max(found.max() for found in ids) > 0


def test_it_is_about_sixty_lines():
    modules = sorted(EXAMPLE.glob("*.py"))
    assert {path.stem for path in modules} == set(
        tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["setuptools"]["py-modules"]
    )
    lines = [line for path in modules for line in path.read_text().splitlines() if line.strip()]
    assert 45 <= len(lines) <= 65
