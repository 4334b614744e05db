import numpy as np
import pytest
from PIL import Image

from histokit.data.pairs import Pairs
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_pairs


def move(root, first, second):
    for old, new in (("HE", first), ("IHC", second)):
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)


def test_equal_names_are_pairs_in_natural_order(tmp_path):
    data = Pairs.open(make_pairs(tmp_path), "")
    assert [(r.key, r.split, r.mpp) for r in data.records()] == [
        ("1", None, None),
        ("2", None, None),
        ("10", None, None),
    ]
    one = data.records()[0]
    assert (one.image, data.others["1"]) == (tmp_path / "HE/1.tif", tmp_path / "IHC/1.png")
    np.testing.assert_array_equal(data.image(one), np.array(Image.open(tmp_path / "HE/1.tif")))
    np.testing.assert_array_equal(
        data.counterpart(one), np.array(Image.open(tmp_path / "IHC/1.png"))
    )


def test_b_turns_the_pairs_round(tmp_path):
    there, back = (Pairs.open(make_pairs(tmp_path), variant) for variant in "ab")
    for one, two in zip(there.records(), back.records(), strict=True):
        np.testing.assert_array_equal(there.image(one), back.counterpart(two))
        np.testing.assert_array_equal(there.counterpart(one), back.image(two))


@pytest.mark.parametrize(
    ("first", "second"),
    [("A", "B"), ("H&E", "ihc"), ("HE", "CD3"), ("source", "pathology"), ("PAS", "Silver")],
)
def test_any_two_folders_will_do_and_usual_names_say_which_is_first(tmp_path, first, second):
    move(make_pairs(tmp_path), first, second)
    records = Pairs.open(tmp_path, "").records()
    assert {record.image.parent.name for record in records} == {first}


@pytest.mark.parametrize(
    ("first", "second"), [("HE/train", "IHC/train"), ("train/HE", "train/IHC")]
)
def test_parts_may_lie_inside_or_outside(tmp_path, first, second):
    make_pairs(tmp_path / "data")
    if first.startswith("HE"):
        for stain in ("HE", "IHC"):
            (tmp_path / "data" / stain).rename(tmp_path / "moving")
            (tmp_path / "data" / stain).mkdir()
            (tmp_path / "moving").rename(tmp_path / "data" / stain / "train")
    else:
        move(tmp_path / "data", first, second)
    records = Pairs.open(tmp_path, "").records()
    assert [(r.key, r.split) for r in records] == [
        ("train-1", "train"),
        ("train-2", "train"),
        ("train-10", "train"),
    ]


@pytest.mark.parametrize("inner", [".", "data", "data/HE", "data/IHC"])
def test_roots_are_tolerant(tmp_path, inner):
    make_pairs(tmp_path / "data")
    assert len(Pairs.open(tmp_path / inner, "").records()) == 3


def test_a_named_folder_of_pairs_is_not_taken_for_a_side(tmp_path):
    for name in "AB":
        make_pairs(tmp_path / name)
    records = Pairs.open(tmp_path / "A", "").records()
    assert {record.image.parent for record in records} == {tmp_path / "A" / "HE"}
    with pytest.raises(DataError, match="several folders of pairs"):
        Pairs.open(tmp_path, "")
    for name in "AB":
        Image.new("RGB", (8, 8)).save(tmp_path / name / "preview.png")
    assert Pairs.open(tmp_path / "A", "").records() == records


def test_names_that_differ_are_all_listed_never_paired_by_order(tmp_path):
    make_pairs(tmp_path)
    (tmp_path / "IHC" / "2.png").rename(tmp_path / "IHC" / "3.png")
    with pytest.raises(DataError, match="2 images of pairs have no partner") as caught:
        Pairs.open(tmp_path, "")
    assert str(tmp_path / "HE" / "2.png") in str(caught.value)
    assert str(tmp_path / "IHC" / "3.png") in str(caught.value)


def test_many_names_that_differ_are_counted(tmp_path):
    for number in range(9):
        for stain, name in (("HE", f"{number}a"), ("IHC", f"{number}b")):
            (tmp_path / stain).mkdir(exist_ok=True)
            Image.new("RGB", (8, 8)).save(tmp_path / stain / f"{name}.png")
    with pytest.raises(DataError, match="18 images") as caught:
        Pairs.open(tmp_path, "")
    assert "and 13 more" in str(caught.value)
    assert str(caught.value).count(".png") == 5


def test_three_folders_are_not_guessed_between(tmp_path):
    move(make_pairs(tmp_path), "x", "y")
    (tmp_path / "z").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "z" / "1.png")
    with pytest.raises(DataError, match="no pairs data"):
        Pairs.open(tmp_path, "")


def test_real_pairs(shared_data):
    data = Pairs.open(shared_data / "HE_IHC_pairs_confusionGAN", "")
    assert [record.key for record in data.records()] == [
        "1",
        "3",
        "4",
        "5",
        "7",
        "9",
        "10",
        "11",
        "13",
    ]
    for record in data.records():
        assert data.image(record).shape == data.counterpart(record).shape == (256, 256, 3)
    assert list(data.verify()) == []
