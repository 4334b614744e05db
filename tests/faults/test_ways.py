"""Odd names and things that change under way, through `predict`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from histokit.errors import PartialFailure
from histokit.io.files import read_json
from histokit.io.pictures import write_picture
from histokit.run.events import ItemDone, ItemFailed
from histokit.run.predict import PredictOptions, predict
from toys import image

LONGEST = "n" * 200
ODD = ["a b", "Zellkörper", "line\nbreak", LONGEST, "-o", "100%", "细胞核", "link"]


def options(tmp_path: Path, *inputs: Path, **others: object) -> PredictOptions:
    return PredictOptions("otsu-hed", inputs, tmp_path / "out", device="cpu", **others)


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:12]))
def test_images_under_odd_paths(tmp_path, monkeypatch, name):
    """The folder and the image have the name; the path is relative and the input read-only."""
    monkeypatch.chdir(tmp_path)
    real = Path("elsewhere" if name == "link" else name)
    real.mkdir()
    write_picture(real / f"{name}.png", image(24, 24), "png")
    (real / f"{name}.png").chmod(0o444)
    if name == "link":
        os.symlink(real, name)
    events = list(predict(options(tmp_path, Path(name), formats=("labels",))))
    assert sum(isinstance(event, ItemDone) for event in events) == 1
    assert [path.stem for path in (tmp_path / "out" / "labels").iterdir()] == [name]


def test_a_name_too_long_for_an_output_is_named(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("n" * 251, "good"):
        write_picture(folder / "a.png", image(24, 24), "png")
        os.rename(folder / "a.png", folder / f"{name}.png")
    with pytest.raises(PartialFailure, match="1 of 2"):
        list(predict(options(tmp_path, folder, formats=("labels",))))
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert failure["image"] == str(folder / ("n" * 251 + ".png"))
    assert "too long" in failure["reason"]


def test_an_image_that_vanishes_is_named_and_the_rest_is_done(tmp_path):
    for name in "abcd":
        write_picture(tmp_path / "in" / f"{name}.png", image(24, 24), "png")
    events = predict(options(tmp_path, tmp_path / "in", formats=("labels",)))
    seen = [next(event for event in events if isinstance(event, ItemDone))]
    (tmp_path / "in" / "b.png").unlink()
    shrunk = tmp_path / "in" / "c.png"
    shrunk.write_bytes(shrunk.read_bytes()[:200])
    with pytest.raises(PartialFailure, match="2 of 4"):
        seen += events
    bad = [event.key for event in seen if isinstance(event, ItemFailed)]
    assert bad == ["b.png", "c.png"]
    assert "does not exist" in read_json(tmp_path / "out" / "failures.json")[0]["reason"]
