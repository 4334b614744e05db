import pytest

from histokit.data.mist import Mist
from histokit.data.split import split_records
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_mist


@pytest.mark.parametrize(
    ("variant", "stain"), [("", "HER2-004"), ("her2", "HER2-004"), ("ki67", "Ki67")]
)
def test_a_variant_is_a_stain_with_the_published_parts_and_slides(tmp_path, variant, stain):
    records = Mist.open(make_mist(tmp_path), variant).records()
    assert [(r.key, r.group, r.split) for r in records] == [
        ("train-S1_0_1", "S1", "train"),
        ("train-S2_3_10", "S2", "train"),
        ("val-S1_2_4", "S1", "val"),
    ]
    assert {record.image.parts[-4] for record in records} == {stain}
    assert {record.image.parent.name for record in records} == {"trainA", "valA"}


@pytest.mark.parametrize("inner", [".", "MIST", "MIST/Ki67", "MIST/Ki67/TrainValAB/trainB"])
def test_roots_are_tolerant(tmp_path, inner):
    make_mist(tmp_path)
    assert len(Mist.open(tmp_path / inner, "ki67").records()) == 3


def test_a_stain_that_is_not_there_is_no_other_stain(tmp_path):
    folder = make_mist(tmp_path)
    with pytest.raises(DataError, match="no mist data"):
        Mist.open(folder, "er")
    with pytest.raises(DataError, match="no mist data"):
        Mist.open(folder / "Ki67", "her2")
    (folder / "Ki67").rename(folder / "prepared")
    with pytest.raises(DataError, match="no mist data"):
        Mist.open(folder, "pr")


def test_verify_tells_of_slides_in_both_parts(tmp_path):
    found = {f.where: f.message for f in Mist.open(make_mist(tmp_path), "ki67").verify()}
    assert "train and val" in found["S1"]
    assert "S2" not in found
    assert found["train"] == "2 of 4361 train images are here"
    assert found["groups"] == "2 of 56 groups are here"


def test_without_the_published_parts_whole_slides_can_be_dealt(tmp_path):
    data = Mist.open(make_mist(tmp_path), "her2-slides")
    split = split_records(data.records(), (0.5, 0.0, 0.5), seed=0)
    assert sorted([sorted(split["train"]), sorted(split["test"])]) == [
        ["train-S1_0_1", "val-S1_2_4"],
        ["train-S2_3_10"],
    ]
    found = {f.where: f.level for f in data.verify()}
    assert found == {"images": "note", "groups": "note"}


def test_half_a_stain_is_refused(tmp_path):
    folder = make_mist(tmp_path) / "HER2-004" / "TrainValAB"
    (folder / "valB" / "S1_2_4.jpg").unlink()
    with pytest.raises(DataError, match="no partner") as caught:
        Mist.open(folder, "")
    assert str(folder / "valA" / "S1_2_4.jpg") in str(caught.value)
    (folder / "valB").rmdir()
    with pytest.raises(DataError, match="half of the val part"):
        Mist.open(folder, "")


def test_an_empty_part_is_refused(tmp_path):
    folder = make_mist(tmp_path) / "Ki67" / "TrainValAB"
    for side in "AB":
        (folder / f"val{side}" / "S1_2_4.jpg").unlink()
    with pytest.raises(DataError, match="no image in") as caught:
        Mist.open(folder, "ki67")
    assert str(folder / "valA") in str(caught.value)
