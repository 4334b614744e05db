"""The commands as they are typed: training in every mode, instances, both translations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from command import histokit, pair

__all__ = ["histokit", "pair"]

SMALL = {"depth": 1, "width": 4, "tile": 32, "batch": 4, "critic-layers": 2, "critic-width": 4}
TINY = [word for key, value in SMALL.items() for word in (f"--{key}", str(value))]
pytestmark = pytest.mark.slow


def trained(histokit, source, *extra):
    """The run folder of a short training on the folder data set of `pair`."""
    before = set(histokit.folder.glob("runs/*/"))
    histokit(
        "train",
        "ostrich",
        *source[:2],
        "--split",
        "0.5,0.25,0.25",
        "--preset",
        "cpu",
        *TINY,
        *extra,
    )
    (run,) = set(histokit.folder.glob("runs/*/")) - before
    return run


def picture(path):
    with Image.open(path) as opened:
        return np.asarray(opened)


@pytest.mark.parametrize("mode", ["paired", "unpaired", "semi"])
def test_every_mode_trains_and_predicts(histokit, pair, mode, tmp_path):
    run = trained(histokit, pair, "--mode", mode, "--steps", "4", "--log-every", "1")
    lines = (run / "metrics.csv").read_text()
    assert "nan" not in lines
    assert ("supervised" in lines) == (mode != "unpaired")
    image = np.random.default_rng(0).integers(0, 255, (37, 50, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "tile.png")
    histokit("predict", "ostrich", "tile.png", "-o", "out")
    assert (tmp_path / "out/labels/tile.tif").exists()
    histokit("translate", "ostrich", str(run), "tile.png", "-o", "maps")
    assert picture(tmp_path / "maps/tile.png").shape == (37, 50)


def test_masks_become_images_and_bad_masks_are_named(histokit, pair, tmp_path):
    trained(histokit, pair, "--steps", "50", "--log-every", "50", "--direction", "mask2he")
    (tmp_path / "masks").mkdir()
    mask = np.zeros((37, 50), np.uint8)
    mask[10:20, 10:30] = 255
    Image.fromarray(mask).save(tmp_path / "masks/good.png")
    mask[:5] = 90
    Image.fromarray(mask).save(tmp_path / "masks/grey.png")
    told = histokit("translate", "ostrich", "masks", "-o", "drawn", code=5)
    assert picture(tmp_path / "drawn/good.png").shape == (37, 50, 3)
    assert "other values than two" in (tmp_path / "drawn/failures.json").read_text()
    assert "grey" in told.stderr


def test_settings_that_leave_nothing_to_carry(histokit):
    told = histokit("train", "ostrich", "--source", "synth-he", "--embedding", "0", code=3)
    assert "nothing to carry" in told.stderr
