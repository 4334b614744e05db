"""`histokit predict` with slides among its inputs, good and bad ones."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import shape

from histokit.errors import PartialFailure, UsageError
from histokit.run.events import Noted
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from slides import nuclei, write_pyramid
from typed import parse


def told(options):
    """What was told, and the error that it ended with."""
    events, error = [], None
    try:
        events += predict(options)
    except PartialFailure as failure:
        error = failure
    return events, error


def test_a_folder_of_good_and_bad_slides(tmp_path, shared_data):
    folder, out = tmp_path / "my slides é", tmp_path / "out"
    folder.mkdir()
    sound = (shared_data / "WSI" / "CMU-1-Small-Region.svs").read_bytes()
    (folder / "cut off.svs").write_bytes(sound[: len(sound) // 2])
    (folder / "text.svs").write_text("this is no slide")
    write_pyramid(folder / "empty.tif", np.full((400, 300, 3), 244, np.uint8), levels=2)
    write_pyramid(folder / "Größe 1.tif", nuclei(400, 300), levels=2, mpp=0.25)
    Image.fromarray(nuclei(60, 60)).save(folder / "plain.png")
    _, error = told(PredictOptions("otsu-hed", [folder], out, device="cpu"))
    assert error is not None
    failures = json.loads((out / "failures.json").read_text())
    reasons = {item["image"].rpartition("/")[2]: item["reason"] for item in failures}
    assert reasons.keys() == {"cut off.svs", "text.svs", "empty.tif"}
    assert "no tissue" in reasons["empty.tif"]
    value = json.loads((out / "geojson" / "Größe 1.geojson").read_text())
    found = [shape(feature["geometry"]) for feature in value["features"]]
    assert all(outline.is_valid for outline in found)
    assert value["histokit"]["slide"] == "Größe 1.tif"
    with (out / "summary.csv").open() as handle:
        rows = {row["image"]: int(row["objects"]) for row in csv.DictReader(handle)}
    assert rows[str(folder / "Größe 1.tif")] == len(found) > 50
    assert (out / "labels" / "plain.tif").exists()
    assert not (out / "labels" / "Größe 1.tif").exists()


def test_a_preview_and_what_it_is_not_for(tmp_path, shared_data):
    shutil.copy(shared_data / "WSI" / "CMU-1-Small-Region.svs", tmp_path / "a.svs")
    options = {"device": "cpu", "slides": SlideOptions(preview=True)}
    events, _ = told(PredictOptions("otsu-hed", [tmp_path / "a.svs"], tmp_path / "out", **options))
    lines = [event.text for event in events if isinstance(event, Noted)]
    assert any("34 of 35 windows" in line for line in lines)
    with Image.open(tmp_path / "out" / "preview" / "a.png") as picture:
        assert picture.size == (1532, 2048)
    assert not (tmp_path / "out" / "geojson").exists()
    Image.fromarray(nuclei(60, 60)).save(tmp_path / "b.png")
    with pytest.raises(UsageError, match="--preview"):
        told(PredictOptions("otsu-hed", [tmp_path / "b.png"], tmp_path / "out", **options))


def test_nothing_to_write_of_a_slide_is_told(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(200, 200), levels=2)
    options = {"device": "cpu", "formats": ("labels",), "strict": True}
    with pytest.raises(Exception, match="nothing to write") as error:
        told(PredictOptions("otsu-hed", [tmp_path / "s.tif"], tmp_path / "out", **options))
    assert "--formats" in error.value.hint


def test_the_words_of_the_command():
    words = "predict otsu-hed a.svs --mpp 0.25 --mask m.png --max-memory 2 --margin 64 --preview"
    params = parse(words.split()).params
    assert (params["mask"], params["max_memory"], params["margin"]) == ("m.png", 2.0, 64)
    assert params["preview"] is True
