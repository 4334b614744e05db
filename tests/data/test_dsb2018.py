import numpy as np
import pytest
from PIL import Image

from histokit.data.dsb2018 import Dsb2018
from histokit.errors import DataError
from histokit.testing.datasets import make_dsb2018


def test_images_parts_and_groups(tmp_path):
    records = Dsb2018.open(make_dsb2018(tmp_path), "").records()
    found = [(record.key, record.group, record.split, len(record.labels)) for record in records]
    assert found == [
        ("aa2", "aa2", "train", 2),
        ("aa10", "aa10", "train", 4),
        ("bb1", "bb1", "test", 0),
    ]


@pytest.mark.parametrize(
    ("inner", "count"), [(".", 3), ("stage1_train", 2), ("stage1_train/aa2", 2), ("../deep", 3)]
)
def test_roots_are_tolerant(tmp_path, inner, count):
    root = tmp_path / "deep"
    make_dsb2018(root)
    assert len(Dsb2018.open(root / inner, "").records()) == count


def test_masks_of_any_height_are_numbered_and_the_first_keeps_the_overlap(tmp_path):
    data = Dsb2018.open(make_dsb2018(tmp_path), "")
    pair, four, _ = data.records()
    assert np.unique(data.labels(four).ids).tolist() == [0, 1, 2, 3]
    ids = data.labels(pair).ids
    assert ids.dtype == np.int32
    assert ids[20, 25] == ids[20, 20] == 1
    assert ids[20, 33] == 2
    assert data.image(pair).shape == (64, 64, 3)


def test_unlabelled_images_have_no_labels(tmp_path):
    data = Dsb2018.open(make_dsb2018(tmp_path), "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[2])


def test_verify_names_empty_and_overlapping_masks(tmp_path):
    data = Dsb2018.open(make_dsb2018(tmp_path), "")
    warnings = {f.where.split("stage1_")[1]: f.message for f in data.verify() if f.level != "note"}
    assert "is empty" in warnings["train/aa10/masks/m3.png"]
    assert "overlaps" in warnings["train/aa2/masks/m1.png"]
    assert "has no labels" in warnings["test/bb1/images/bb1.png"]
    assert len(warnings) == 3


def test_a_mask_of_another_size_is_refused_and_found(tmp_path):
    make_dsb2018(tmp_path)
    mask = tmp_path / "stage1_train" / "aa2" / "masks" / "m0.png"
    Image.new("L", (10, 20)).save(mask)
    data = Dsb2018.open(tmp_path, "")
    with pytest.raises(DataError, match="20x10") as caught:
        data.labels(data.records()[0])
    assert str(mask) in str(caught.value)
    assert "aa2.png" in str(caught.value)
    assert [str(mask) in f.message for f in data.verify() if f.level == "error"] == [True]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="stage1_train"):
        Dsb2018.open(tmp_path, "")


def test_real_images(shared_data):
    data = Dsb2018.open(shared_data / "DSB2018_purple", "")
    records = data.records()
    assert len(records) == 38
    counts = [int(data.labels(record).ids.max()) for record in records]
    assert counts == [len(record.labels) for record in records]
    assert sum(counts) == 1925
    assert {data.image(record).shape for record in records} == {(256, 320, 3)}
