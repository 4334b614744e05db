import json

import numpy as np
import pytest
from PIL import Image

from histokit.data.coco import Coco
from histokit.errors import DataError
from histokit.testing.datasets_generic import make_coco


def edit(root, change):
    path = root / "annotations.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return root


def first(data):
    return data.labels(data.records()[0])


def test_images_objects_and_categories(tmp_path):
    data = Coco.open(make_coco(tmp_path), "")
    assert [r.key for r in data.records()] == ["slide 1/a", "b"]
    assert data.class_names == ("epithelial", "lymphocyte")
    labels = first(data)
    assert labels.classes == {1: 2, 2: 1, 3: 2}
    assert np.bincount(labels.ids.ravel())[1:].tolist() == [100, 50, 20]
    assert (labels.ids[7:17, 3:13] == 1).all()
    assert (labels.ids[60:64, 100:105] == 3).all()
    assert data.labels(data.records()[1]).classes == {}
    assert data.image(data.records()[0]).shape == (120, 160, 3)


def test_crowds_and_boxes_are_left_out_and_told(tmp_path):
    told = {f.message for f in Coco.open(make_coco(tmp_path), "").verify() if f.level == "warning"}
    assert told == {"1 crowds are left out", "1 objects without outline are left out"}


def test_the_first_of_overlapping_objects_keeps_the_pixels(tmp_path):
    block = {"size": [120, 160], "counts": [0, 120 * 160]}

    def change(value):
        value["annotations"][0]["segmentation"] = block

    labels = first(Coco.open(edit(make_coco(tmp_path / "a"), change), ""))
    assert (np.unique(labels.ids).tolist(), labels.classes) == ([1], {1: 2})

    def later(value):
        value["annotations"][2]["segmentation"] = block

    labels = first(Coco.open(edit(make_coco(tmp_path / "b"), later), ""))
    assert np.bincount(labels.ids.ravel()).tolist() == [0, 100, 50, 120 * 160 - 150]


@pytest.mark.parametrize("named", ["annotations.json", "annotations/instances_train2017.json"])
def test_the_file_itself_and_a_folder_of_annotations(tmp_path, named):
    make_coco(tmp_path)
    path = tmp_path / named
    path.parent.mkdir(exist_ok=True)
    (tmp_path / "annotations.json").rename(path)
    for root in {tmp_path, path, path.parent}:
        data = Coco.open(root, "")
        assert data.image(data.records()[0]).shape == (120, 160, 3)
        assert data.records()[0].split == ("train" if "train" in named else None)


def test_parts_have_their_own_folders_with_the_same_names(tmp_path):
    for part, shade in (("train", 10), ("valid", 20), ("test", 30)):
        make_coco(tmp_path / part)
        (tmp_path / part / "annotations.json").rename(tmp_path / part / "_annotations.coco.json")
        (tmp_path / part / "images" / "b.png").unlink()
        flat = np.full((120, 160, 3), shade, np.uint8)
        Image.fromarray(flat).save(tmp_path / part / "b.png")
    data = Coco.open(tmp_path, "")
    flat = {r.key: (r.split, int(data.image(r)[0, 0, 0])) for r in data.records() if "b" in r.key}
    assert flat == {"test/b": ("test", 30), "train/b": ("train", 10), "val/b": ("val", 20)}


def test_a_file_of_images_alone_has_no_labels(tmp_path):
    data = Coco.open(edit(make_coco(tmp_path), lambda value: value.pop("annotations")), "")
    with pytest.raises(DataError, match="has no labels"):
        first(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v["annotations"][0].update(category_id=9), "category 9"),
        (lambda v: v["annotations"][2]["segmentation"].update(size=[160, 120]), "the size"),
        (lambda v: v["annotations"][2]["segmentation"].update(counts=[5]), "5 pixels"),
        (lambda v: v["images"][0].update(height=100), "does not fit"),
        (
            lambda v: v.update(
                annotations=[
                    v["annotations"][0] | {"segmentation": [[900, 900, 910, 900, 900, 910]]}
                ]
            ),
            "no object of",
        ),
    ],
)
def test_wrong_objects_of_an_image_are_told_when_it_is_read(tmp_path, change, told):
    data = Coco.open(edit(make_coco(tmp_path), change), "")
    with pytest.raises(DataError, match="annotations") as caught:
        first(data)
    assert told in str(caught.value)
    assert data.labels(data.records()[1]).classes == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.pop("images"),
        lambda v: v.update(images=[3]),
        lambda v: v["images"][0].pop("height"),
        lambda v: v["images"][1].update(id=11),
        lambda v: v.update(categories=[{"id": 1}]),
        lambda v: v.update(annotations={}),
        lambda v: v["annotations"][0].update(image_id=99),
        lambda v: v["annotations"][0].pop("category_id"),
        lambda v: v["annotations"][0].update(segmentation="x"),
        lambda v: v["annotations"][0].update(segmentation=[[1, 2, 3, 4]]),
        lambda v: v["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, float("nan")]]),
        lambda v: v["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, "6"]]),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, change):
    with pytest.raises(DataError, match=r"annotations\.json"):
        Coco.open(edit(make_coco(tmp_path), change), "")


def test_a_truncated_file_is_refused(tmp_path):
    path = make_coco(tmp_path) / "annotations.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match="cannot read"):
        Coco.open(tmp_path, "")


def test_missing_and_ambiguous_images(tmp_path):
    make_coco(tmp_path)
    (tmp_path / "images" / "b.png").unlink()
    data = Coco.open(tmp_path, "")
    with pytest.raises(DataError, match=r"b\.png"):
        data.image(data.records()[1])
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (160, 120)).save(tmp_path / name / "b.png")
    with pytest.raises(DataError, match="several files"):
        Coco.open(tmp_path, "")


def test_different_categories_and_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no coco data"):
        Coco.open(tmp_path, "")
    make_coco(tmp_path / "train")
    edit(make_coco(tmp_path / "test"), lambda value: value["categories"][0].update(name="x"))
    with pytest.raises(DataError, match="different categories"):
        Coco.open(tmp_path, "")


def rename(root, name):
    """The data set with another name for its second image."""
    return edit(root, lambda value: value["images"][1].update(file_name=name))


@pytest.mark.parametrize(
    "name",
    ["{outside}/x.png", "../x.png", "images/../../x.png", "..\\x.png", "%2e%2e/x.png", "\0"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(tmp_path / "x.png")
    root = rename(make_coco(tmp_path / "in"), name.format(outside=tmp_path))
    with pytest.raises(DataError, match=r"annotations\.json names an image outside"):
        Coco.open(root, "")


def test_names_from_another_machine_are_found_within_the_folder(tmp_path):
    data = Coco.open(rename(make_coco(tmp_path), "/home/somebody/b.png"), "")
    assert data.records()[1].image == tmp_path / "images" / "b.png"


def test_a_data_set_behind_links_is_read(tmp_path):
    """The folder is a link, and so are its images."""
    real = make_coco(tmp_path / "store")
    (real / "images").rename(tmp_path / "pixels")
    (real / "images").symlink_to(tmp_path / "pixels")
    (tmp_path / "link").symlink_to(real)
    data = Coco.open(rename(tmp_path / "link", "images/../images/none.png"), "")
    assert data.image(data.records()[0]).shape == (120, 160, 3)
    assert data.records()[1].image == tmp_path / "link" / "images" / "none.png"
