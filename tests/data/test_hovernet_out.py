import json

import numpy as np
import pytest

from histokit.data.hovernet_out import HoverNetOut
from histokit.errors import DataError
from histokit.testing.datasets_classes import save_mat
from histokit.testing.datasets_generic import make_hovernet_out


def read(root, key):
    data = HoverNetOut.open(root, "")
    return data.labels(next(record for record in data.records() if record.key == key))


def edit(root, change):
    path = root / "json" / "b.json"
    value = json.loads(path.read_text())
    change(value["nuc"])
    path.write_text(json.dumps(value))


def test_maps_come_before_contours_and_rows_follow_the_ids(tmp_path):
    labels = read(make_hovernet_out(tmp_path), "a")
    assert np.bincount(labels.ids.ravel())[1:].tolist() == [100, 16]
    assert labels.classes == {1: 2}
    assert (labels.ids[7:17, 3:13] == 1).all()


def test_contours_are_filled_with_their_pixels(tmp_path):
    labels = read(make_hovernet_out(tmp_path), "b")
    assert labels.classes == {1: 1, 2: 2, 3: 1}
    assert (labels.ids[7:17, 3:13] > 0).sum() == 100
    assert (labels.ids[10:12, 6:8] == 2).all()
    assert labels.ids[100, 159] == 3


def test_classes_have_names_or_numbers(tmp_path):
    root = make_hovernet_out(tmp_path)
    assert HoverNetOut.open(root, "").class_names == ("neopla", "inflam")
    (root / "type_info.json").unlink()
    assert HoverNetOut.open(root, "").class_names == ("class 1", "class 2")


@pytest.mark.parametrize("table", [[], {"1": "a"}, {"2": ["a", []]}, {"x": ["a", []]}])
def test_a_table_of_another_form_is_refused(tmp_path, table):
    root = make_hovernet_out(tmp_path)
    (root / "type_info.json").write_text(json.dumps(table))
    if table == {"1": "a"}:
        assert HoverNetOut.open(root, "").class_names == ("a",)
        return
    with pytest.raises(DataError, match=r"type_info\.json"):
        HoverNetOut.open(root, "")


@pytest.mark.parametrize(
    "change",
    [
        lambda nuclei: nuclei["1"].update(type=3),
        lambda nuclei: nuclei["1"].update(type="x"),
        lambda nuclei: nuclei["1"].pop("contour"),
        lambda nuclei: nuclei["1"].update(contour=[[1, 2, 3]]),
        lambda nuclei: nuclei["1"].update(contour=[]),
        lambda nuclei: nuclei.update(x=nuclei["1"]),
        lambda nuclei: nuclei.update({"2": 3}),
    ],
)
def test_wrong_objects_are_told_and_do_no_harm_to_others(tmp_path, change):
    root = make_hovernet_out(tmp_path)
    edit(root, change)
    with pytest.raises(DataError, match=r"b\.json"):
        read(root, "b")
    assert read(root, "a").classes == {1: 2}


def test_truncated_files_lists_that_do_not_fit_and_other_sizes(tmp_path):
    root = make_hovernet_out(tmp_path)
    path = root / "json" / "b.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(DataError, match="cannot read"):
        read(root, "b")
    save_mat(root / "mat" / "a.mat", inst_map=np.eye(9), inst_type=np.array([[1], [2]]))
    with pytest.raises(DataError, match="2 types"):
        read(root, "a")
    save_mat(root / "mat" / "a.mat", inst_map=np.eye(9), inst_type=np.array([[1]]))
    with pytest.raises(DataError, match="does not fit"):
        read(root, "a")


def test_overlays_are_no_images(tmp_path):
    root = make_hovernet_out(tmp_path)
    (root / "images").rename(root / "overlay")
    with pytest.raises(DataError, match="no hovernet-out data"):
        HoverNetOut.open(root, "")


def test_findings(tmp_path):
    root = make_hovernet_out(tmp_path)
    (root / "images" / "b.png").unlink()
    found = [(f.level, f.message) for f in HoverNetOut.open(root, "").verify()]
    assert ("warning", "has no image") in found
    assert ("warning", "1 objects have no class") in found
    assert not [level for level, _ in found if level == "error"]
