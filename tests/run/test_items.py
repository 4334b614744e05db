"""What folders mean: images, slides, and slides that are folders themselves."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from histokit.run.items import find_flat, find_items, images_below
from histokit.run.predict import PredictOptions, predict
from slides import nuclei, write_pyramid, write_zarr


@pytest.fixture
def folder(tmp_path):
    """Images and slides in folders, one of which is a slide."""
    pytest.importorskip("zarr", minversion="3", reason="the extra zarr")
    root = tmp_path / "in"
    (root / "day 1").mkdir(parents=True)
    levels = write_pyramid(root / "s.tif", nuclei(200, 300), levels=2, mpp=0.25)
    write_zarr(root / "day 1" / "z.ome.zarr", levels)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(root / "day 1" / "z.ome.zarr" / "0" / "t.png")
    Image.fromarray(nuclei(40, 60)).save(root / "day 1" / "a.png")
    return root


def test_a_slide_that_is_a_folder_is_one_item(folder, tmp_path):
    names = [item.key for item in find_items([folder], tmp_path / "out", [".png"])]
    assert names == ["day 1/a", "day 1/z", "s"]
    assert [item.key for item in find_flat([folder], tmp_path / "out")] == ["s"]
    assert [item.key for item in find_flat([folder / "day 1"], tmp_path / "o")] == ["a", "z.ome"]
    (alone,) = find_items([folder / "day 1" / "z.ome.zarr"], tmp_path / "out", [".png"])
    assert alone.key == "z"
    assert [item.key for item in images_below(folder)] == ["day 1/a", "s"]
    listed = find_flat([folder / "*.tif"], tmp_path / "out")
    assert [item.path for item in listed] == [folder / "s.tif"]


def test_ome_zarr_is_segmented_as_the_slide_that_it_holds(folder, tmp_path):
    (folder / "list.csv").write_text("path,name\ns.tif,tiff\nday 1/z.ome.zarr,zarr\n")
    given = {"device": "cpu", "formats": ("table",)}
    list(predict(PredictOptions("otsu-hed", [folder / "list.csv"], tmp_path / "out", **given)))
    tables = []
    for name in ("tiff", "zarr"):
        with (tmp_path / "out" / "tables" / f"{name}.csv").open(newline="") as handle:
            tables.append([row[1:] for row in csv.reader(handle)])
    assert len(tables[0]) > 20
    assert tables[0] == tables[1]
