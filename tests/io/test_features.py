import gzip
import json

import pytest

from histokit.errors import DataError
from histokit.io.features import read_features

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}


def feature(**properties):
    return {"type": "Feature", "geometry": SQUARE, "properties": properties}


def read(tmp_path, value):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(value))
    return read_features(path)


@pytest.mark.parametrize("pack", [lambda f: {"type": "FeatureCollection", "features": [f]}, list])
def test_collections_lists_and_single_features(tmp_path, pack):
    value = [feature()] if pack is list else pack(feature())
    (found,) = read(tmp_path, value)
    assert (found.kind, found.name, len(found.rings)) == ("annotation", "", 1)
    assert read(tmp_path, feature()) == [found]
    path = tmp_path / "b.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps(value).encode()))
    assert read_features(path) == [found]


@pytest.mark.parametrize(
    ("said", "kind"),
    [("detection", "detection"), ("cell", "cell"), ("tmaCore", "tmaCore"), ("odd", "annotation")],
)
def test_kinds(tmp_path, said, kind):
    assert read(tmp_path, feature(objectType=said))[0].kind == kind
    assert read(tmp_path, feature(object_type=said))[0].kind == kind


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Tumor", "Tumor"),
        ({"name": "Tumor", "color": [1, 2, 3]}, "Tumor"),
        ({"names": ["Tumor", "Positive"]}, "Tumor: Positive"),
        ({"name": None}, ""),
        ("Unclassified", ""),
        (None, ""),
    ],
)
def test_classes(tmp_path, said, name):
    assert read(tmp_path, feature(classification=said))[0].name == name


def test_lines_and_points_have_no_area(tmp_path):
    value = {**feature(), "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}
    assert read(tmp_path, value)[0].rings == ()


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [3],
        {"type": "FeatureCollection"},
        {"type": "Feature"},
        {**feature(), "properties": [1]},
        {**feature(), "geometry": {"coordinates": []}},
        {**feature(), "geometry": {"type": "Polygon"}},
        {**feature(), "geometry": {"type": "Polygon", "coordinates": [[[1], [2]]]}},
        {**feature(), "geometry": {"type": "Polygon", "coordinates": [[[1, "a"]]]}},
        {**feature(), "geometry": {"type": "Polygon", "coordinates": [[[1, float("nan")]]]}},
        {**feature(), "geometry": {"type": "Polygon", "coordinates": [[[1, 1e300]]]}},
        feature(classification=3),
    ],
)
def test_other_values_are_told_with_the_path(tmp_path, value):
    with pytest.raises(DataError, match=r"a\.geojson"):
        read(tmp_path, value)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_truncated_files_are_told(tmp_path, cut):
    text = json.dumps([feature()]).encode()
    for name, data in (("a.geojson", text), ("b.gz", gzip.compress(text))):
        path = tmp_path / name
        path.write_bytes(data[:cut])
        with pytest.raises(DataError, match=name):
            read_features(path)
