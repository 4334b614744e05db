import json

import numpy as np
import pytest

from histokit.data.qupath import QuPath
from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.geojson import write_geojson
from histokit.testing.datasets_generic import feature, make_geojson, square_ring


def labels(data):
    return {record.key: data.labels(record) for record in data.records()}


def sizes(found):
    return np.bincount(found.ids.ravel())[1:].tolist()


def test_every_form_of_file_is_read(tmp_path):
    data = QuPath.open(make_geojson(tmp_path), "")
    found = labels(data)
    assert data.class_names == ("Stroma", "Tumor", "Tumor: Positive")
    assert {key: (sizes(one), one.classes) for key, one in found.items()} == {
        "array": ([16], {1: 1}),
        "packed": ([18], {1: 3}),
        "plain": ([], {}),
        "single": ([100], {}),
        "whole": ([96], {1: 2}),
    }
    whole = found["whole"].ids
    assert (whole[7:17, 3:13] == 1).sum() == 96
    assert not whole[10:12, 6:8].any()


def test_a_cell_is_its_nucleus_or_its_whole_outline(tmp_path):
    data = QuPath.open(make_geojson(tmp_path), "cells")
    assert sizes(labels(data)["array"]) == [100]


def test_annotations_count_only_where_there_is_nothing_else(tmp_path):
    make_geojson(tmp_path)
    for path in (tmp_path / "geojson").iterdir():
        if path.name != "plain.geojson":
            path.unlink()
    data = QuPath.open(tmp_path, "")
    found = data.labels(next(r for r in data.records() if r.key == "plain"))
    assert (sizes(found), data.class_names) == ([2500], ("ROI",))


def test_points_and_files_without_image_are_told(tmp_path):
    make_geojson(tmp_path)
    (tmp_path / "images" / "single.png").unlink()
    told = {f.message for f in QuPath.open(tmp_path, "").verify() if f.level == "warning"}
    assert "1 objects are points or lines and are left out" in told
    assert "has no image" in told


def test_what_histokit_writes_comes_back(tmp_path):
    make_geojson(tmp_path)
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13], ids[17:20, 13:16], ids[100:, 150:] = 5, 9, 70000
    path = tmp_path / "geojson" / "single.geojson"
    names = ("a", "b")
    write_geojson(path, Instances(ids, {5: 1, 9: 2, 70000: 2}), class_names=names)
    data = QuPath.open(tmp_path, "")
    found = labels(data)["single"]
    np.testing.assert_array_equal(found.ids, np.searchsorted([0, 5, 9, 70000], ids))
    assert [data.class_names[kind - 1] for kind in found.classes.values()] == ["a", "b", "b"]


def test_one_bad_file_does_not_spoil_the_others(tmp_path):
    make_geojson(tmp_path)
    path = tmp_path / "geojson" / "whole.geojson"
    path.write_text(path.read_text()[:-9])
    data = QuPath.open(tmp_path, "")
    assert data.class_names == ("Stroma", "Tumor: Positive")
    bad = next(r for r in data.records() if r.key == "whole")
    with pytest.raises(DataError, match=r"whole\.geojson"):
        data.labels(bad)
    assert [f.where for f in data.verify() if f.level == "error"] == [str(path)]


def test_objects_of_another_image_and_an_image_without_file(tmp_path):
    make_geojson(tmp_path)
    path = tmp_path / "geojson" / "single.geojson"
    path.write_text(json.dumps([feature([[square_ring(9000, 9000, 10)]])]))
    (tmp_path / "geojson" / "plain.geojson").unlink()
    data = QuPath.open(tmp_path, "")
    records = {r.key: r for r in data.records()}
    with pytest.raises(DataError, match="no object of"):
        data.labels(records["single"])
    with pytest.raises(DataError, match="has no labels"):
        data.labels(records["plain"])


def test_two_files_of_one_name_and_a_wrong_root(tmp_path):
    with pytest.raises(DataError, match="no geojson data"):
        QuPath.open(tmp_path, "")
    make_geojson(tmp_path)
    (tmp_path / "geojson" / "packed.geojson").write_text("[]")
    with pytest.raises(DataError, match="not clear"):
        QuPath.open(tmp_path, "")


@pytest.mark.parametrize("inner", ["..", "images", "geojson"])
def test_roots_are_tolerant(tmp_path, inner):
    root = make_geojson(tmp_path / "data" / "set")
    assert len(QuPath.open(root / inner, "").records()) == 5


def test_files_beside_their_images(tmp_path):
    make_geojson(tmp_path)
    for path in [*(tmp_path / "geojson").iterdir(), *(tmp_path / "images").iterdir()]:
        path.rename(tmp_path / path.name)
    for folder in ("geojson", "images"):
        (tmp_path / folder).rmdir()
    data = QuPath.open(tmp_path, "")
    assert sizes(labels(data)["packed"]) == [18]
