"""The label image of a slide: the objects of the one image, under the numbers of the outlines."""

from __future__ import annotations

import json

import numpy as np
import pytest

from histokit.io import label_zarr
from histokit.io.rings import rasterise
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import SlideOptions, SlideWork
from ngff_rules import require_label
from slides import nuclei, write_pyramid
from toys import Toy, cpu, darkness

zarr = pytest.importorskip("zarr", minversion="3", reason="the extra zarr")
WINDOWS = Windows(96, 24, 2)
FORMATS = ("geojson", "ome-zarr")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Chunks of 128 pixels, which blocks do not follow."""
    monkeypatch.setattr(label_zarr, "CHUNK", 128)


def labels(path, level=0):
    return np.asarray(zarr.open_group(path, mode="r")[str(level)][:]).astype(np.int64)


def outlined(path, shape):
    """The id map of a GeoJSON file."""
    features = json.loads(path.read_text())["features"]
    rings = [
        (int(f["properties"]["metadata"]["id"]), f["geometry"]["coordinates"]) for f in features
    ]
    return rasterise(rings, shape)


def same_but_for_numbers(one, other):
    """Whether two id maps have the same objects."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return all(len(set(side.tolist())) == pairs.shape[1] for side in pairs)


@pytest.mark.parametrize("core", [150, 4096])
def test_labels_are_the_objects_of_the_one_image(tmp_path, core):
    picture = nuclei(420, 530)
    write_pyramid(tmp_path / "s.tif", picture, levels=2, mpp=0.25)
    options = SlideOptions(mask="none", core=core, margin=48)
    card = {"mpp": None, "classes": ()}
    job = SlideWork(Toy(darkness), cpu(), card, tmp_path, None, FORMATS, WINDOWS, options=options)
    for _ in predict_slide(tmp_path / "s.tif", job):
        pass
    path = tmp_path / "ome-zarr" / "s.ome.zarr"
    require_label(path)
    found = labels(path)
    assert np.array_equal(found, outlined(tmp_path / "geojson" / "s.geojson", found.shape))
    whole = decode(Toy(darkness), segment_image(Toy(darkness), picture, cpu(), WINDOWS))
    assert whole.ids.max() > 100
    assert same_but_for_numbers(found, whole.ids)
    assert not same_but_for_numbers(np.roll(found, 1), whole.ids)
    assert np.array_equal(labels(path, 1), found[::2, ::2])
    (multiscale,) = zarr.open_group(path, mode="r").attrs["ome"]["multiscales"]
    assert multiscale["datasets"][0]["coordinateTransformations"][0]["scale"] == [0.25, 0.25]


def test_slides_and_images_are_written_and_read_again(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(300, 200), levels=2, mpp=0.5)
    picture = nuclei(40, 60)
    write_pyramid(tmp_path / "plain.tif", picture)
    inputs, out = [tmp_path / "s.tif", tmp_path / "plain.tif"], tmp_path / "out"
    given = {"device": "cpu", "formats": ("labels", *FORMATS)}
    list(predict(PredictOptions("otsu-hed", inputs, out, **given)))
    for name, shape in (("s", (300, 200)), ("plain", (40, 60))):
        require_label(out / "ome-zarr" / f"{name}.ome.zarr")
        found = labels(out / "ome-zarr" / f"{name}.ome.zarr")
        assert found.any()
        assert np.array_equal(found, outlined(out / "geojson" / f"{name}.geojson", shape))
    again = list(predict(PredictOptions("otsu-hed", inputs, out, resume=True, **given)))
    assert "2 of 2 items are done already" in again[2].text
    chunk = next(p for p in sorted((out / "ome-zarr/s.ome.zarr/0/c").rglob("*")) if p.is_file())
    chunk.unlink()
    again = list(predict(PredictOptions("otsu-hed", inputs, out, resume=True, **given)))
    assert "ome-zarr/s.ome.zarr is gone or changed" in again[2].text
    assert chunk.exists()
