import numpy as np
import pytest
from scipy import io

from histokit.data.cpm import Cpm15, Cpm17, read_text_map
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_cpm15, make_cpm17


@pytest.mark.parametrize("first_form", [False, True])
def test_cpm15_has_no_parts(tmp_path, first_form):
    records = Cpm15.open(make_cpm15(tmp_path, first_form), "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        ("image01", "image01", None, None),
        ("image02", "image02", None, None),
    ]


@pytest.mark.parametrize("first_form", [False, True])
def test_cpm17_has_two_parts(tmp_path, first_form):
    records = Cpm17.open(make_cpm17(tmp_path, first_form), "").records()
    assert [(r.key, r.split, len(r.labels)) for r in records] == [
        ("test-image_02", "test", 1),
        ("train-image_00", "train", 1),
        ("train-image_01", "train", 1),
    ]


@pytest.mark.parametrize("inner", [".", "cpm17", "cpm17/test", "cpm17/test/Labels"])
def test_roots_are_tolerant(tmp_path, inner):
    make_cpm17(tmp_path)
    assert len(Cpm17.open(tmp_path / inner, "").records()) == (1 if "test" in inner else 3)


@pytest.mark.parametrize(("reader", "make"), [(Cpm15, make_cpm15), (Cpm17, make_cpm17)])
def test_both_forms_hold_the_same_nuclei(tmp_path, reader, make):
    prepared = reader.open(make(tmp_path / "a"), "")
    given = reader.open(make(tmp_path / "b", first_form=True), "")
    for one, two in zip(prepared.records(), given.records(), strict=True):
        ids = prepared.labels(one).ids
        assert np.unique(ids).tolist() == [0, 1, 2]
        assert ids[20, 20] == 1
        assert ids[35, 45] == 2
        np.testing.assert_array_equal(given.labels(two).ids, ids)
        np.testing.assert_array_equal(given.image(two), prepared.image(one))


def test_text_goes_row_by_row(tmp_path):
    path = tmp_path / "a_mask.txt"
    path.write_text("3 2\n0\n1\n1\n0\n0\n9\n")
    assert read_text_map(path).tolist() == [[0, 1, 1], [0, 0, 9]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "IndexError"),
        ("3 2\n1\n", "1 labels for 3x2"),
        ("3 x\n1\n", "ValueError"),
        ("-3 -2\n" + "1\n" * 6, "-3x-2"),
        ("1 1\n0.5\n", "fractions"),
        ("1 1\nnan\n", "nan"),
        ("1 1\n-4\n", "-4"),
    ],
)
def test_bad_text_is_refused_and_found(tmp_path, text, reason):
    folder = make_cpm15(tmp_path, first_form=True)
    path = folder / "image01_mask.txt"
    path.write_text(text)
    data = Cpm15.open(folder, "")
    with pytest.raises(DataError, match=reason) as caught:
        data.labels(data.records()[0])
    assert str(path) in str(caught.value)
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(path)]


def test_verify_counts_and_tells_of_what_does_not_pair(tmp_path):
    fifteen = list(Cpm15.open(make_cpm15(tmp_path), "").verify())
    assert "2 of 15 images are here" in [finding.message for finding in fifteen]
    folder = make_cpm17(tmp_path)
    image, label = folder / "train" / "Images" / "image_00.png", folder / "test" / "Labels"
    image.unlink()
    (label / "image_02.mat").unlink()
    found = {f.where: f.message for f in Cpm17.open(folder, "").verify()}
    assert found[str(folder / "train" / "Labels" / "image_00.mat")] == "has no image"
    assert found[str(folder / "test" / "Images" / "image_02.png")] == "has no labels"
    assert found["train"] == "1 of 32 train images are here"


def test_maps_of_another_size_are_refused(tmp_path):
    data = Cpm17.open(make_cpm17(tmp_path), "")
    io.savemat(data.records()[0].labels[0], {"inst_map": np.ones((60, 50))})
    with pytest.raises(DataError, match="60x50"):
        data.labels(data.records()[0])


@pytest.mark.parametrize(("reader", "make"), [(Cpm15, make_cpm15), (Cpm17, make_cpm17)])
def test_nothing_there_a_variant_and_two_copies(tmp_path, reader, make):
    with pytest.raises(DataError, match=r"_mask\.txt"):
        reader.open(tmp_path, "")
    make(tmp_path / "a")
    with pytest.raises(UnknownName, match="no variant"):
        reader.open(tmp_path, "x")
    make(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        reader.open(tmp_path, "")
