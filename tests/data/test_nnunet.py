import json

import numpy as np
import pytest
from PIL import Image

from histokit.data.nnunet import NnUnet
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_generic import make_nnunet


def edit(folder, **changes):
    path = folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def save(path, array):
    Image.fromarray(array).save(path)


def test_cases_parts_and_classes(tmp_path):
    data = NnUnet.open(make_nnunet(tmp_path), "")
    assert [(r.key, r.group, r.split) for r in data.records()] == [
        ("case_001", "case_001", "train"),
        ("case_002", "case_002", "train"),
        ("case_101", "case_101", "test"),
    ]
    assert data.class_names == ("tumour", "stroma")
    assert [(f.level, f.where) for f in data.verify()] == [
        ("note", "dataset.json"),
        ("note", "channels"),
    ]


def test_pieces_are_objects_and_touching_classes_are_two(tmp_path):
    data = NnUnet.open(make_nnunet(tmp_path), "")
    labels = data.labels(data.records()[0])
    assert labels.ids.dtype == np.int32
    assert labels.classes == {1: 1, 2: 1, 3: 2}
    assert (labels.ids[5, 5], labels.ids[35, 35], labels.ids[5, 15]) == (1, 2, 3)
    assert not labels.ids[-4:].any()


def test_three_channel_files_are_one_rgb_image(tmp_path):
    folder = make_nnunet(tmp_path)
    data = NnUnet.open(folder, "")
    image = data.image(data.records()[1])
    for channel in range(3):
        with Image.open(folder / "imagesTr" / f"case_002_000{channel}.png") as grey:
            np.testing.assert_array_equal(image[..., channel], np.array(grey))
    (folder / "imagesTr" / "case_002_0001.png").unlink()
    data = NnUnet.open(folder, "")
    with pytest.raises(DataError, match="no RGB image"):
        data.image(data.records()[1])


@pytest.mark.parametrize("inner", ["", "imagesTr", "labelsTr"])
def test_roots_are_tolerant(tmp_path, inner):
    folder = make_nnunet(tmp_path)
    assert len(NnUnet.open(folder / inner, "").records()) == 3
    assert len(NnUnet.open(tmp_path, "").records()) == 3


def test_labels_of_version_1_stand_the_other_way_round(tmp_path):
    folder = make_nnunet(tmp_path)
    edit(folder, labels={"0": "background", "2": "stroma", "1": "tumour", "3": "ignore"})
    data = NnUnet.open(folder, "")
    assert data.class_names == ("tumour", "stroma")
    assert data.labels(data.records()[0]).classes == {1: 1, 2: 1, 3: 2}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": {"background": 0, "whole": [1, 2]}}, "regions"),
        ({"labels": {"a": 1, "b": 1}}, "each once"),
        ({"labels": 3}, "labels"),
        ({"file_ending": ".nii.gz"}, "2-D"),
        ({"dataset": {}}, "lists of files"),
    ],
)
def test_headers_that_are_not_read_are_told(tmp_path, changes, told):
    folder = make_nnunet(tmp_path)
    edit(folder, **changes)
    with pytest.raises(DataError, match=told):
        NnUnet.open(folder, "")


def test_a_truncated_header_is_told(tmp_path):
    folder = make_nnunet(tmp_path)
    path = folder / "dataset.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(DataError, match=r"cannot read .*dataset\.json"):
        NnUnet.open(folder, "")


def test_a_value_beyond_the_table_and_a_wrong_size_are_told(tmp_path):
    folder = make_nnunet(tmp_path)
    save(folder / "labelsTr" / "case_001.png", np.full((64, 64), 4, np.uint8))
    save(folder / "labelsTr" / "case_002.png", np.zeros((32, 64), np.uint8))
    data = NnUnet.open(folder, "")
    with pytest.raises(DataError, match="beyond the table") as caught:
        data.labels(data.records()[0])
    assert "the value 4" in str(caught.value)
    with pytest.raises(DataError, match="does not fit"):
        data.labels(data.records()[1])


def test_what_lacks_its_other_half_is_told(tmp_path):
    folder = make_nnunet(tmp_path)
    (folder / "imagesTr" / "case_001_0000.png").unlink()
    (folder / "labelsTr" / "case_002.png").unlink()
    data = NnUnet.open(folder, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])
    told = [f.message for f in data.verify() if f.level == "warning"]
    assert told == ["has no image", "1 of 2 training cases are here", "has no labels"]


def test_names_without_channel_two_sets_and_nothing(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.json"):
        NnUnet.open(tmp_path, "")
    with pytest.raises(UnknownName):
        NnUnet.open(tmp_path, "x")
    folder = make_nnunet(tmp_path / "a")
    (folder / "imagesTr" / "case_001_0000.png").rename(folder / "imagesTr" / "case_001.png")
    with pytest.raises(DataError, match="does not say its channel"):
        NnUnet.open(folder, "")
    make_nnunet(tmp_path / "b")
    with pytest.raises(DataError, match="several"):
        NnUnet.open(tmp_path, "")
