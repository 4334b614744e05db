import numpy as np
import pytest
from PIL import Image

from histokit.data.busi import Busi
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_busi

FOLDER = "Dataset_BUSI_with_GT"
LESIONS = ["benign (2)", "benign (3)", "benign (10)", "malignant (1)", "malignant (2)"]


def by_key(data):
    return {record.key: record for record in data.records()}


def place(root, name):
    return root / FOLDER / name.split()[0] / f"{name}.png"


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


@pytest.mark.parametrize("cmunet", [False, True])
@pytest.mark.parametrize(
    ("variant", "keys"),
    [
        ("", LESIONS),
        ("unique", ["benign (2)", "benign (3)", "benign (10)"]),
        ("all", [*LESIONS, "normal (1)"]),
    ],
)
def test_variants_in_both_layouts_in_natural_order(tmp_path, cmunet, variant, keys):
    data = Busi.open(make_busi(tmp_path, cmunet), variant)
    assert list(by_key(data)) == keys
    assert all(record.labels for record in data.records())


@pytest.mark.parametrize("inner", [".", FOLDER, f"{FOLDER}/benign", f"{FOLDER}/normal"])
def test_roots_are_tolerant(tmp_path, inner):
    make_busi(tmp_path)
    assert len(Busi.open(tmp_path / inner, "").records()) == 5


def test_masks_of_an_image_are_united(tmp_path):
    apart = Busi.open(make_busi(tmp_path / "a"), "")
    united = Busi.open(make_busi(tmp_path / "b", cmunet=True), "")
    record = by_key(apart)["benign (2)"]
    assert [path.name for path in record.labels] == ["benign (2)_mask.png", "benign (2)_mask_1.png"]
    for key, record in by_key(apart).items():
        ids = apart.labels(record).ids
        np.testing.assert_array_equal(ids, united.labels(by_key(united)[key]).ids)
        assert ids.max() == (2 if key in ("benign (2)", "malignant (2)") else 1)


def test_lesions_have_the_class_of_their_image(tmp_path):
    data = Busi.open(make_busi(tmp_path), "all")
    records = by_key(data)
    assert data.labels(records["benign (2)"]).classes == {1: 1, 2: 1}
    assert data.labels(records["malignant (1)"]).classes == {1: 2}
    normal = data.labels(records["normal (1)"])
    assert (normal.ids.max(), normal.classes) == (0, {})


def test_images_that_look_the_same_share_a_group(tmp_path):
    records = by_key(Busi.open(make_busi(tmp_path), ""))
    assert {key: record.group for key, record in records.items()} == {
        "benign (2)": "benign (2)",
        "benign (3)": "benign (3)",
        "benign (10)": "benign (10)",
        "malignant (1)": "benign (10)",
        "malignant (2)": "benign (2)",
    }


def test_verify_tells_of_copies_of_another_class(tmp_path):
    data = Busi.open(make_busi(tmp_path), "")
    told_of = [f.message for f in data.verify() if f.where == str(place(tmp_path, "malignant (2)"))]
    assert told_of == [f"looks the same as {place(tmp_path, 'benign (2)')}, which is called benign"]
    notes = [finding.message for finding in data.verify() if finding.level == "note"]
    assert notes == [
        "2 look the same as others; busi@unique leaves them out",
        "5 of 647 images are here",
    ]
    assert not [f for f in Busi.open(tmp_path, "unique").verify()]


def test_a_damaged_image_opens_alone_and_is_found(tmp_path):
    make_busi(tmp_path)
    broken = place(tmp_path, "benign (3)")
    broken.write_bytes(broken.read_bytes()[:200])
    data = Busi.open(tmp_path, "")
    assert by_key(data)["benign (3)"].group == "benign (3)"
    assert str(broken) in told(data, "error")


def test_what_does_not_pair_is_told(tmp_path):
    make_busi(tmp_path)
    place(tmp_path, "benign (3)").unlink()
    place(tmp_path, "malignant (1)_mask").unlink()
    data = Busi.open(tmp_path, "")
    found = told(data)
    assert found[str(place(tmp_path, "benign (3)_mask"))] == "has no image"
    messages = [
        f.message for f in data.verify() if f.where == str(place(tmp_path, "malignant (1)"))
    ]
    assert "has no labels" in messages
    with pytest.raises(DataError, match="has no labels"):
        data.labels(by_key(data)["malignant (1)"])


def test_masks_of_another_size_are_refused(tmp_path):
    make_busi(tmp_path)
    Image.new("L", (32, 64)).save(place(tmp_path, "benign (2)_mask_1"))
    data = Busi.open(tmp_path, "")
    with pytest.raises(DataError, match="64x32"):
        data.labels(by_key(data)["benign (2)"])


def test_normal_images_alone_are_none_by_default(tmp_path):
    make_busi(tmp_path)
    for kind in ("benign", "malignant"):
        (tmp_path / FOLDER / kind).rename(tmp_path / kind)
        (tmp_path / kind).rename(tmp_path / FOLDER / f"no {kind}")
    with pytest.raises(DataError, match="no busi image of variant lesions"):
        Busi.open(tmp_path, "")
    assert list(by_key(Busi.open(tmp_path, "all"))) == ["normal (1)"]


def test_two_copies_are_not_guessed_between(tmp_path):
    make_busi(tmp_path / "a")
    make_busi(tmp_path / "b", cmunet=True)
    with pytest.raises(DataError, match="twice"):
        Busi.open(tmp_path, "")
