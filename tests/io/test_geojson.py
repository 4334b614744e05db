from __future__ import annotations

import gzip
import json
import re
from uuid import UUID, uuid5

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from shapely.geometry import shape as shapely_shape

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.io.geojson import NAMESPACE, read_geojson, write_geojson

maps = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0, 1, 2, 70_000]),
)


@pytest.fixture
def zoo():
    """A map of 120 x 160 with one of each awkward kind."""
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13] = 1  # the square of the recipe
    ids[40:60, 40:60] = 2
    ids[45:50, 45:50] = 0  # a hole
    ids[80:85, 80:85] = ids[90:95, 80:85] = 3  # two parts
    ids[20:25, 100:105] = 4
    ids[20:25, 105:110] = 5  # touching
    ids[25:30, 110:115] = 6  # by a corner
    ids[0, 60:70] = 7
    ids[60:70, 0] = 8
    ids[119, 60:70] = 9
    ids[60:70, 159] = 70_000
    return ids


def features(path):
    return json.loads(path.read_text(encoding="utf-8"))["features"]


@settings(deadline=None)
@given(maps, st.sampled_from(["a.geojson", "a.geojson.gz"]))
def test_write_then_read_is_the_identity(tmp_path_factory, ids, name):
    path = tmp_path_factory.getbasetemp() / name
    write_geojson(path, Instances(ids))
    found = read_geojson(path, ids.shape)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, ids)


@settings(deadline=None)
@given(maps, st.sampled_from([0.25, 0.5, 1, 2, 3.7]), st.floats(-1e5, 1e5), st.floats(0, 1e5))
def test_origin_and_scale_are_undone(tmp_path_factory, ids, scale, x, y):
    path = tmp_path_factory.getbasetemp() / "moved.geojson"
    write_geojson(path, Instances(ids), origin=(x, y), scale=scale)
    found = read_geojson(path, ids.shape, origin=(x, y), scale=scale)
    np.testing.assert_array_equal(found, ids)


def test_every_awkward_object_is_valid_exact_and_comes_back(tmp_path, zoo):
    path = tmp_path / "zoo.geojson"
    write_geojson(path, Instances(zoo))
    for feature in features(path):
        outline = shapely_shape(feature["geometry"])
        assert outline.is_valid
        assert outline.area == np.sum(zoo == int(feature["properties"]["metadata"]["id"]))
    kinds = [feature["geometry"]["type"] for feature in features(path)]
    assert kinds == ["Polygon", "Polygon", "MultiPolygon", *["Polygon"] * 7]
    assert len(features(path)[1]["geometry"]["coordinates"]) == 2
    np.testing.assert_array_equal(read_geojson(path, zoo.shape), zoo)


def test_a_square_lies_where_it_should(tmp_path, zoo):
    path = tmp_path / "a.geojson"
    write_geojson(path, Instances(zoo), origin=(1000, 2000), scale=2)
    (ring,) = features(path)[0]["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    assert sorted(map(tuple, ring[:-1])) == [(1006, 2014), (1006, 2034), (1026, 2014), (1026, 2034)]
    centre = shapely_shape(features(path)[0]["geometry"]).centroid
    assert (centre.x, centre.y) == (1016, 2024)


def test_properties_are_those_that_qupath_reads(tmp_path):
    ids = np.array([[1, 1, 0, 2], [1, 1, 0, 3]], np.int32)
    instances = Instances(ids, classes={1: 2, 2: 1, 3: 9}, scores={1: 0.93456, 2: 1.0})
    path = tmp_path / "a.geojson"
    write_geojson(path, instances, mpp=0.5, scale=2, class_names=["Tumor", "Stroma +µ"])
    first, second, third = features(path)
    assert first["type"] == "Feature"
    assert first["properties"]["objectType"] == "detection"
    assert first["properties"]["classification"]["name"] == "Stroma +µ"
    assert first["properties"]["measurements"] == {
        "Area px": 16,
        "Area µm^2": 1,
        "Probability": 0.9346,
    }
    assert second["properties"]["classification"]["name"] == "Tumor"
    assert third["properties"]["classification"]["name"] == "Class 9"
    assert "Probability" not in third["properties"]["measurements"]
    for feature in (first, second, third):
        text = json.dumps(feature["geometry"], separators=(",", ":"))
        assert UUID(feature["id"]) == uuid5(NAMESPACE, text)
        colour = feature["properties"]["classification"]["color"]
        assert len(colour) == 3
        assert all(0 <= level <= 255 for level in colour)
    assert len({feature["id"] for feature in (first, second, third)}) == 3


def test_objects_without_classes_are_nuclei_and_have_no_micrometres(tmp_path):
    path = tmp_path / "a.geojson"
    write_geojson(path, Instances(np.ones((2, 2), np.int32)))
    (feature,) = features(path)
    assert feature["properties"]["classification"]["name"] == "Nucleus"
    assert feature["properties"]["measurements"] == {"Area px": 4}


@pytest.mark.parametrize("name", ["a.geojson", "a.geojson.gz"])
def test_the_same_objects_give_the_same_bytes(tmp_path, zoo, name):
    for folder in ("one", "two"):
        write_geojson(tmp_path / folder / name, Instances(zoo), provenance={"run": "7"})
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_compressed_is_the_same_text(tmp_path, zoo):
    write_geojson(tmp_path / "a.geojson", Instances(zoo))
    write_geojson(tmp_path / "a.geojson.gz", Instances(zoo))
    packed = (tmp_path / "a.geojson.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "a.geojson").read_bytes()
    assert packed[4:8] == b"\0\0\0\0"  # no time of writing


def test_provenance_stands_in_the_collection(tmp_path):
    path = tmp_path / "a.geojson"
    write_geojson(path, Instances(np.zeros((2, 2), np.int32)), mpp=0.25, provenance={"run": "abc"})
    collection = json.loads(path.read_text())
    assert collection["type"] == "FeatureCollection"
    assert collection["features"] == []
    assert collection["histokit"] == {"mpp": 0.25, "class_names": [], "run": "abc"}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_no_number_that_json_lacks_is_written(tmp_path, bad):
    path = tmp_path / "a.geojson"
    one = np.ones((1, 1), np.int32)
    with pytest.raises(DataError, match="no score"):
        write_geojson(path, Instances(one, scores={1: bad}))
    with pytest.raises(DataError, match="JSON"):
        write_geojson(path, Instances(one), provenance={"loss": bad})
    assert list(tmp_path.iterdir()) == []


def test_negative_ids_are_refused(tmp_path):
    with pytest.raises(DataError, match="outlined"):
        write_geojson(tmp_path / "a.geojson", Instances(np.full((1, 1), -1, np.int32)))


def test_foreign_files_are_numbered_in_order(tmp_path):
    square = [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]
    shifted = [[[x + 2, y] for x, y in square[0]]]
    listed = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}}
        for rings in (square, shifted)
    ]
    wanted = np.array([[1, 1, 2, 2]] * 2)
    for value in (listed, {"type": "FeatureCollection", "features": listed}):
        path = tmp_path / "foreign.json"
        path.write_text(json.dumps(value))
        np.testing.assert_array_equal(read_geojson(path, (2, 4)), wanted)
    path.write_text(json.dumps(listed[1]))
    np.testing.assert_array_equal(read_geojson(path, (2, 4)), wanted // 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read"),
        ("3", "cannot read"),
        ('[{"geometry": {"type": "Point", "coordinates": [1, 2]}}]', "no area"),
        ("[7]", "cannot read feature 0"),
        ('[{"geometry": {"type": "Polygon"}}]', "cannot read feature 0"),
        ('[{"geometry": {"type": "Polygon", "coordinates": [[["a", 2]]]}}]', "rings of"),
    ],
)
def test_what_is_no_file_of_polygons_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "bad.geojson"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_geojson(path, (4, 4))
    assert re.search(r"bad\.geojson", str(caught.value))


def test_a_missing_or_cut_off_file_is_refused(tmp_path, zoo):
    with pytest.raises(DataError, match="cannot read"):
        read_geojson(tmp_path / "none.geojson", (4, 4))
    path = tmp_path / "a.geojson.gz"
    write_geojson(path, Instances(zoo))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot read"):
        read_geojson(path, zoo.shape)
