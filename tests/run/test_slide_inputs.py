"""`histokit predict` and `translate` with slides among their inputs, good and bad ones."""

from __future__ import annotations

import csv
import errno
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from shapely.geometry import shape

from histokit.errors import DataError, PartialFailure, PluginError, UsageError
from histokit.io.files import DiskError
from histokit.io.slides_open import open_slide
from histokit.run.events import Noted
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from histokit.run.translate import TranslateOptions, translate
from slides import nuclei, write_pyramid
from typed import parse


def told(options):
    """What was told, and the error that it ended with."""
    events, error = [], None
    verb = predict if isinstance(options, PredictOptions) else translate
    try:
        events += verb(options)
    except PartialFailure as failure:
        error = failure
    return events, error


def reasons(out):
    """Why each file failed, by its name."""
    failures = json.loads((out / "failures.json").read_text())
    return {item["image"].rpartition("/")[2]: item["reason"] for item in failures}


VERBS = {
    "predict": lambda inputs, out, **more: PredictOptions(
        "otsu-hed", inputs, out, device="cpu", **more
    ),
    "translate": lambda inputs, out, **more: TranslateOptions(
        "identity", inputs, out, device="cpu", **more
    ),
}
either = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@either
def test_bad_slides_are_named_and_the_rest_is_done(tmp_path, verb):
    folder, out = tmp_path / "my slides é", tmp_path / "out put ü"
    folder.mkdir()
    write_pyramid(folder / "Größe 1.tif", nuclei(300, 400), levels=2, mpp=0.25)
    whole = (folder / "Größe 1.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "cut off.svs").write_bytes(whole[: len(whole) // 2])
    (folder / "text.svs").write_text("this is no slide")
    (folder / "empty.ndpi").write_bytes(b"")
    write_pyramid(folder / "glass.tif", np.full((400, 300, 3), 244, np.uint8), levels=2)
    _, error = told(verb([folder], out))
    assert error is not None
    assert error.exit_code == 5
    said = reasons(out)
    assert said.keys() == {"cut.tif", "cut off.svs", "text.svs", "empty.ndpi", "glass.tif"}
    assert all(str(folder / name) in reason for name, reason in said.items())
    assert "no tissue" in said["glass.tif"]
    assert "--mask" in said["glass.tif"]
    with (out / "summary.csv").open() as handle:
        (row,) = csv.DictReader(handle)
    assert row["image"] == str(folder / "Größe 1.tif")
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]
    with pytest.raises(DataError, match=r"cut off\.svs"):
        told(verb([folder / "cut off.svs", folder / "Größe 1.tif"], out, strict=True))


@either
def test_a_mask_of_another_slide_is_refused(tmp_path, verb):
    write_pyramid(tmp_path / "a.tif", nuclei(300, 400), levels=2)
    Image.fromarray(np.full((400, 100), 255, np.uint8)).save(tmp_path / "tall mask.png")
    slides = SlideOptions(mask=str(tmp_path / "tall mask.png"))
    with pytest.raises(DataError, match="none is done"):
        told(verb([tmp_path / "a.tif"], tmp_path / "out", slides=slides))
    said = reasons(tmp_path / "out")["a.tif"]
    assert f"tall mask.png is not a mask of {tmp_path / 'a.tif'}" in said
    slides = SlideOptions(mask=str(tmp_path / "gone.png"))
    with pytest.raises(DataError, match=r"gone\.png"):
        told(verb([tmp_path / "a.tif"], tmp_path / "out", slides=slides, strict=True))


@either
def test_a_tile_that_is_damaged_leaves_no_output(tmp_path, verb):
    write_pyramid(tmp_path / "a.tif", nuclei(600, 600), levels=2)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        start, count = page.dataoffsets[12], page.databytecounts[12]
    data[start : start + count] = b"\0" * count
    (tmp_path / "a.tif").write_bytes(data)
    slides = SlideOptions(mask="none")
    with pytest.raises(DataError, match="tile 12 of level 0") as error:
        told(verb([tmp_path / "a.tif"], tmp_path / "out", slides=slides, strict=True))
    assert str(tmp_path / "a.tif") in str(error.value)
    files = (p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*") if p.is_file())
    shown = {path for path in files if not any(part.startswith(".") for part in path.parts)}
    assert shown == {Path("summary.csv"), Path("failures.json"), Path("provenance.json")}


def test_a_full_disk_ends_the_command(tmp_path, monkeypatch):
    write_pyramid(tmp_path / "a.tif", nuclei(300, 300), levels=2)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("histokit.io.pyramid._encoded", full)
    with pytest.raises(DiskError, match="cannot write"):
        told(VERBS["translate"]([tmp_path / "a.tif"], tmp_path / "out"))


def test_slides_and_images_of_folders_are_translated(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "day 1").mkdir(parents=True)
    write_pyramid(tmp_path / "s.tif", nuclei(300, 400), levels=2, mpp=0.25)
    shutil.move(tmp_path / "s.tif", folder / "day 1" / "a b.ome.tif")
    Image.fromarray(nuclei(60, 60)).save(folder / "plain.png")
    told(VERBS["translate"]([folder], out, compression="deflate"))
    assert (out / "plain.png").exists()
    with open_slide(out / "day 1" / "a b.ome.tif") as slide:
        assert slide.mpp == pytest.approx((0.25, 0.25))
        assert np.array_equal(slide.region(0, 9, 7, 300, 200), nuclei(300, 400)[7:207, 9:309])
    slides = SlideOptions(preview=True)
    told(VERBS["translate"]([folder / "day 1"], out, slides=slides))
    assert (out / "preview" / "a b.png").exists()
    with pytest.raises(DataError, match="would be overwritten"):
        told(VERBS["translate"]([folder / "day 1" / "a b.ome.tif"], folder / "day 1"))
    with pytest.raises(UsageError, match="--preview"):
        told(VERBS["translate"]([folder], out, slides=slides))


def test_outlines_of_a_slide_with_a_plain_image_beside_it(tmp_path, shared_data):
    folder, out = tmp_path / "my slides é", tmp_path / "out"
    folder.mkdir()
    sound = (shared_data / "WSI" / "CMU-1-Small-Region.svs").read_bytes()
    (folder / "cut off.svs").write_bytes(sound[: len(sound) // 2])
    write_pyramid(folder / "Größe 1.tif", nuclei(400, 300), levels=2, mpp=0.25)
    Image.fromarray(nuclei(60, 60)).save(folder / "plain.png")
    told(PredictOptions("otsu-hed", [folder], out, device="cpu"))
    assert reasons(out).keys() == {"cut off.svs"}
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


def test_parquet_is_asked_for_before_the_work(tmp_path, monkeypatch):
    write_pyramid(tmp_path / "s.tif", nuclei(200, 200), levels=2)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginError, match="pyarrow"):
        told(VERBS["predict"]([tmp_path / "s.tif"], tmp_path / "out", formats=("parquet",)))
    assert not (tmp_path / "out").exists()


def test_the_words_of_the_commands():
    words = "translate identity a.svs --mask none --margin 8 --compression deflate --max-memory 2"
    params = parse(words.split()).params
    assert (params["mask"], params["margin"], params["compression"]) == ("none", 8, "deflate")
    words = "predict otsu-hed a.svs --mpp 0.25 --mask m.png --max-memory 2 --margin 64 --preview"
    params = parse(words.split()).params
    assert (params["mask"], params["max_memory"], params["margin"]) == ("m.png", 2.0, 64)
    assert params["preview"] is True
