import numpy as np
import pytest
from scipy import io

from histokit.data.lizard import Lizard
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_lizard


def label_file(root, name="consep_1"):
    return root / "lizard_labels" / "Lizard_Labels" / "Labels" / f"{name}.mat"


def info_file(root):
    return root / "lizard_labels" / "Lizard_Labels" / "info.csv"


def rewrite(path, **changes):
    found = {name: value for name, value in io.loadmat(path).items() if name[:2] != "__"}
    found.update(changes)
    io.savemat(path, {name: value for name, value in found.items() if value is not None})


@pytest.mark.parametrize(
    ("variant", "splits"),
    [
        ("", ["train", "train", "test"]),
        ("fold1", ["test", "train", "train"]),
        ("fold2", ["train", "test", "train"]),
        ("sources", [None, None, None]),
    ],
)
def test_folds_and_groups(tmp_path, variant, splits):
    records = Lizard.open(make_lizard(tmp_path), variant).records()
    assert [record.key for record in records] == ["consep_1", "crag_2", "dpath_10"]
    assert [record.split for record in records] == splits
    whole = ["consep", "crag", "dpath"]
    groups = whole if variant == "sources" else [record.key for record in records]
    assert [record.group for record in records] == groups
    assert {record.mpp for record in records} == {0.5}


@pytest.mark.parametrize(
    "inner", [".", "lizard_images1", "lizard_images2/Lizard_Images2", "lizard_labels/Lizard_Labels"]
)
def test_roots_are_tolerant(tmp_path, inner):
    make_lizard(tmp_path / "set")
    assert len(Lizard.open(tmp_path / "set" / inner, "").records()) == 3
    assert len(Lizard.open(tmp_path, "").records()) == 3
    with pytest.raises(UnknownName, match="fold3"):
        Lizard.open(tmp_path, "fold4")


def test_classes_go_by_the_listed_ids(tmp_path):
    data = Lizard.open(make_lizard(tmp_path), "")
    labels = data.labels(data.records()[0])
    raw = io.loadmat(label_file(tmp_path))["inst_map"]
    assert labels.classes == {1: 1, 2: 6, 3: 3}
    for new, old in ((1, 2), (2, 5), (3, 77)):
        np.testing.assert_array_equal(labels.ids == new, raw == old)
    assert labels.ids.shape == data.image(data.records()[0]).shape[:2] == (120, 160)


def test_verify_tells_of_rows_without_a_pixel_and_counts(tmp_path):
    findings = list(Lizard.open(make_lizard(tmp_path), "").verify())
    assert [finding.message for finding in findings] == [
        *["1 listed nuclei have no pixel"] * 3,
        "3 of 238 images are here",
    ]


def test_nuclei_that_are_not_listed_have_no_class(tmp_path):
    make_lizard(tmp_path)
    rewrite(label_file(tmp_path), id=np.array([[5], [2]]), **{"class": np.array([[6], [1]])})
    data = Lizard.open(tmp_path, "")
    assert data.labels(data.records()[0]).classes == {1: 1, 2: 6}
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert warned[str(label_file(tmp_path))] == "1 objects have no class"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"class": np.array([[6], [1]])}, "4 rows"),
        ({"class": np.array([[6], [1], [3], [7]])}, "class 7"),
        ({"inst_map": np.ones((160, 120))}, "160x120"),
        ({"inst_map": None}, "inst_map"),
    ],
)
def test_bad_labels_are_refused_and_found(tmp_path, changes, reason):
    make_lizard(tmp_path)
    rewrite(label_file(tmp_path), **changes)
    data = Lizard.open(tmp_path, "")
    with pytest.raises(DataError, match=reason):
        data.labels(data.records()[0])
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(label_file(tmp_path))]


def test_half_a_download_opens_and_is_told(tmp_path):
    make_lizard(tmp_path)
    image = tmp_path / "lizard_images2" / "Lizard_Images2" / "dpath_10.png"
    image.unlink()
    info_file(tmp_path).unlink()
    label_file(tmp_path).unlink()
    data = Lizard.open(tmp_path, "")
    assert [record.split for record in data.records()] == [None, None]
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert warned[str(label_file(tmp_path, "dpath_10"))] == "has no image"
    assert warned[str(data.records()[0].image)] == "has no labels"
    assert "folds are not known" in warned["info.csv"]


def test_lists_of_folds_are_checked(tmp_path):
    make_lizard(tmp_path)
    info_file(tmp_path).write_text("Filename,Source,Split\nconsep_1.png,consep,1\n")
    data = Lizard.open(tmp_path, "fold1")
    assert [record.split for record in data.records()] == ["test", None, None]
    assert sum("has no fold" in finding.message for finding in data.verify()) == 2
    for text, reason in (("Filename,Split\na,4\n", "1, 2 or 3"), ("Filename\na\n", "columns")):
        info_file(tmp_path).write_text(text)
        with pytest.raises(DataError, match=reason):
            Lizard.open(tmp_path, "")


def test_nothing_there_and_two_copies(tmp_path):
    with pytest.raises(DataError, match="Lizard_Images1"):
        Lizard.open(tmp_path, "")
    make_lizard(tmp_path / "a")
    make_lizard(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        Lizard.open(tmp_path, "")
