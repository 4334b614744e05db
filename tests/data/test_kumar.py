import numpy as np
import pytest
from scipy import io

from histokit.data.kumar import DIFFERENT, SAME, TRAIN, Kumar
from histokit.data.monuseg import LATER, TEST, MoNuSeg
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_kumar

A = "TCGA-18-5592-01Z-00-DX1"


def test_the_lists_are_of_sixteen_eight_and_six_other_patients():
    assert (len(TRAIN), len(SAME), len(DIFFERENT)) == (16, 8, 6)
    assert len(TRAIN | SAME | DIFFERENT) == 30
    assert not (TRAIN | SAME | DIFFERENT) & {name.removeprefix("TCGA-") for name in LATER | TEST}


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("variant", "tests"),
    [
        ("", ["TCGA-21-5786", "TCGA-AY-A8YK"]),
        ("same", ["TCGA-21-5786"]),
        ("different", ["TCGA-AY-A8YK"]),
    ],
)
def test_parts_go_by_patient_in_both_layouts(tmp_path, prepared, variant, tests):
    records = Kumar.open(make_kumar(tmp_path, prepared), variant).records()
    assert [r.group for r in records if r.split == "train"] == ["TCGA-18-5592"]
    assert [r.group for r in records if r.split == "test"] == tests
    assert {record.mpp for record in records} == {None if prepared else 0.252}


def test_other_variants_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="same"):
        Kumar.open(make_kumar(tmp_path), "other")


@pytest.mark.parametrize(
    ("prepared", "inner", "count"),
    [
        (False, "MoNuSeg 2018 Training Data/Annotations", 3),
        (True, "kumar", 3),
        (True, "kumar/train/Labels", 1),
        (True, "kumar/test_same", 1),
    ],
)
def test_roots_are_tolerant(tmp_path, prepared, inner, count):
    make_kumar(tmp_path, prepared)
    assert len(Kumar.open(tmp_path / inner, "").records()) == count


def test_nuclei_are_numbered_in_both_layouts(tmp_path):
    prepared = Kumar.open(make_kumar(tmp_path / "a", True), "")
    labels = prepared.labels(prepared.records()[0])
    raw = io.loadmat(tmp_path / "a" / "kumar" / "train" / "Labels" / f"{A}.mat")["inst_map"]
    np.testing.assert_array_equal(labels.ids, (raw > 0) + (raw == 900).astype(int))
    outlined = Kumar.open(make_kumar(tmp_path / "b"), "")
    ids = outlined.labels(outlined.records()[0]).ids
    assert np.bincount(ids.ravel())[1:].tolist() == [256, 324]
    assert outlined.image(outlined.records()[0]).shape == (64, 80, 3)


@pytest.mark.parametrize("prepared", [False, True])
def test_verify_counts_and_tells_of_what_does_not_pair(tmp_path, prepared):
    make_kumar(tmp_path, prepared)
    data = Kumar.open(tmp_path, "same")
    assert [finding.message for finding in data.verify()] == [
        "1 of 16 train images are here",
        "1 of 8 test images are here",
        "2 of 24 groups are here",
    ]
    later = "TCGA-XS-A8TJ-01Z-00-DX1.tif"
    for path in tmp_path.rglob(later):
        path.unlink()
    train, test = (r for r in data.records() if r.split)
    train.labels[0].unlink()
    test.image.unlink()
    warned = {f.where: f.message for f in Kumar.open(tmp_path, "").verify() if f.level == "warning"}
    assert warned == {
        str(train.image): "has no labels",
        str(test.labels[0]): "has no image",
    }


def test_maps_of_another_size_are_refused(tmp_path):
    make_kumar(tmp_path, True)
    data = Kumar.open(tmp_path, "")
    io.savemat(data.records()[0].labels[0], {"inst_map": np.ones((80, 64))})
    with pytest.raises(DataError, match="80x64"):
        data.labels(data.records()[0])


def test_nothing_there_two_copies_and_other_patients(tmp_path):
    with pytest.raises(DataError, match="prepared for HoVer-Net"):
        Kumar.open(tmp_path, "")
    make_kumar(tmp_path / "a")
    for path in (tmp_path / "a").rglob("TCGA-[124A]*"):
        path.unlink()
    with pytest.raises(DataError, match="no kumar image"):
        Kumar.open(tmp_path, "")
    make_kumar(tmp_path / "b")
    make_kumar(tmp_path / "c", prepared=True)
    with pytest.raises(DataError, match="twice"):
        Kumar.open(tmp_path, "")


def test_real_images_are_those_of_monuseg(shared_data):
    data = Kumar.open(shared_data / "MoNuSeg", "")
    other = MoNuSeg.open(shared_data / "MoNuSeg", "")
    keys = {record.key: record for record in other.records()}
    assert {record.key for record in data.records()} == {
        key for key, record in keys.items() if record.group not in LATER
    }
    record = data.records()[0]
    np.testing.assert_array_equal(data.labels(record).ids, other.labels(keys[record.key]).ids)
    assert {record.split for record in data.records()} == {"train", "test"}
