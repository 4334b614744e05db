"""Predictions of other tools: what a file is, what it holds, and which files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import io

from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.foreign import is_ours, kind_of, read_prediction, stem
from histokit.io.geojson import write_geojson
from histokit.io.labels import write_label_tiff

NAMES = ("round", "long")
IDS = np.zeros((12, 20), np.int32)
IDS[1:5, 1:6] = 3
IDS[6:11, 8:19] = 8
CLASSES = {3: 2, 8: 1}
RINGS = {3: [[1, 1], [1, 4], [5, 4], [5, 1]], 8: [[8, 6], [8, 10], [18, 10], [18, 6]]}


def write(folder, kind):
    """`IDS` and `CLASSES` in a file of a kind."""
    path = folder / f"a{dict(zip(KINDS, ENDINGS, strict=True))[kind]}"
    if kind == "hovernet-mat":
        io.savemat(path, {"inst_map": IDS.astype(float), "inst_type": [[2], [1]]})
    elif kind == "hovernet-json":
        nuclei = {str(k): {"contour": r, "type": CLASSES[k]} for k, r in RINGS.items()}
        path.write_text(json.dumps({"mag": 40, "nuc": nuclei}))
    elif kind == "geojson":
        write_geojson(path, Instances(IDS, CLASSES), class_names=NAMES)
    elif kind == "label":
        Image.fromarray(IDS.astype(np.uint16)).save(path)
    else:
        about = {"classes": {str(key): value for key, value in CLASSES.items()}}
        write_label_tiff(path, IDS, provenance=about)
    return path


KINDS = ("histokit", "hovernet-mat", "hovernet-json", "label", "geojson")
ENDINGS = (".tif", ".mat", ".json", ".png", ".geojson")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_objects(tmp_path, kind):
    path = write(tmp_path, kind)
    assert is_ours(path) == (kind == "histokit")
    assert kind_of(path) == ("label" if kind == "histokit" else kind)
    found = read_prediction(path, kind, IDS.shape, NAMES)
    np.testing.assert_array_equal(found.ids, IDS)
    assert found.classes == ({} if kind == "label" else CLASSES)
    assert read_prediction(path, kind, IDS.shape).classes == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_of_another_size_names_both(tmp_path, kind):
    path = write(tmp_path, kind)
    with pytest.raises(DataError, match="not of this image") as error:
        read_prediction(path, kind, (10, 10), NAMES)
    assert "10 x 10" in str(error.value)
    other = "outlines from" if kind in ("hovernet-json", "geojson") else "12 x 20"
    assert other in str(error.value)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32])
def test_label_images_of_16_and_32_bits(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tiff", IDS.astype(dtype))
    assert kind_of(tmp_path / "a.tiff") == "label"
    assert not is_ours(tmp_path / "a.tiff")
    np.testing.assert_array_equal(read_prediction(tmp_path / "a.tiff", "label", IDS.shape).ids, IDS)


def test_a_binary_mask_is_no_map_of_objects(tmp_path):
    Image.fromarray(((IDS > 0) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="binary mask"):
        read_prediction(tmp_path / "a.png", "label", IDS.shape)


def test_classes_of_geojson_go_by_name_in_any_case(tmp_path):
    path = tmp_path / "a.geojson"
    write_geojson(path, Instances(IDS, {3: 2}), class_names=("Round", "LONG"))
    assert read_prediction(path, "geojson", IDS.shape, NAMES).classes == {3: 2, 8: 1}
    write_geojson(path, Instances(IDS))
    assert read_prediction(path, "geojson", IDS.shape, NAMES).classes == {3: 0, 8: 0}
    write_geojson(path, Instances(IDS, CLASSES), class_names=("round", "tall"))
    with pytest.raises(DataError, match="tall"):
        read_prediction(path, "geojson", IDS.shape, NAMES)


def test_features_of_qupath_without_ids_and_with_classes_as_words(tmp_path):
    path = tmp_path / "a.geojson"
    write_geojson(path, Instances(IDS, CLASSES), class_names=NAMES)
    features = json.loads(path.read_text())["features"]
    for feature in features:
        feature["properties"]["classification"] = feature["properties"]["classification"]["name"]
        del feature["properties"]["metadata"]
    path.write_text(json.dumps(features))
    found = read_prediction(path, "geojson", IDS.shape, NAMES)
    assert np.unique(found.ids).tolist() == [0, 1, 2]
    assert found.classes == {1: 2, 2: 1}


def test_no_objects(tmp_path):
    write_geojson(tmp_path / "a.geojson", Instances(np.zeros_like(IDS)))
    (tmp_path / "a.json").write_text('{"mag": null, "nuc": {}}')
    assert kind_of(tmp_path / "a.json") == "hovernet-json"
    for name, kind in (("a.geojson", "geojson"), ("a.json", "hovernet-json")):
        found = read_prediction(tmp_path / name, kind, IDS.shape, NAMES)
        assert found.ids.shape == IDS.shape
        assert not found.ids.any()


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("a.mat", "a"),
        ("TCGA-1.2-x.geojson.gz", "TCGA-1.2-x"),
        ("b.TIFF", "b"),
        ("c.v2.png", "c.v2"),
        ("d", "d"),
    ],
)
def test_names_lose_their_endings(name, bare):
    assert stem(Path(name)) == bare


def test_other_files_are_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert kind_of(tmp_path / "a.csv") is None
    assert kind_of(tmp_path / "b.json") == "geojson"
