import numpy as np
import pytest

from histokit.data.bci import Bci
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_bci

LAYOUTS = ("folders", "trainvalab", "combined")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_pairs_in_their_official_parts(tmp_path, layout):
    data = Bci.open(make_bci(tmp_path / "a", layout), "")
    published = Bci.open(make_bci(tmp_path / "b"), "")
    assert [(r.key, r.group, r.split) for r in data.records()] == [
        ("00000_test_0", "00000_test_0", "test"),
        ("00000_train_1+", "00000_train_1+", "train"),
        ("00000_train_3+", "00000_train_3+", "train"),
    ]
    for one, two in zip(data.records(), published.records(), strict=True):
        np.testing.assert_array_equal(data.image(one), published.image(two))
        np.testing.assert_array_equal(data.counterpart(one), published.counterpart(two))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_h_and_e_is_the_image_and_ihc_its_counterpart(tmp_path, layout):
    data = Bci.open(make_bci(tmp_path, layout), "")
    for record in data.records():
        assert data.image(record).reshape(-1, 3).mean(0)[1] < 200
        assert data.counterpart(record).reshape(-1, 3).mean(0)[1] > 200


@pytest.mark.parametrize("inner", [".", "BCI_dataset", "BCI_dataset/HE", "BCI_dataset/IHC"])
def test_roots_are_tolerant(tmp_path, inner):
    make_bci(tmp_path)
    assert len(Bci.open(tmp_path / inner, "").records()) == 3


def test_one_stain_is_not_taken_for_pairs_side_by_side(tmp_path):
    folder = make_bci(tmp_path)
    with pytest.raises(DataError, match="no bci data"):
        Bci.open(folder / "HE" / "train", "")


def test_half_downloaded_pairs_are_listed(tmp_path):
    folder = make_bci(tmp_path)
    (folder / "IHC" / "train" / "00000_train_3+.png").unlink()
    with pytest.raises(DataError, match="1 images of bci have no partner") as caught:
        Bci.open(folder, "")
    assert str(folder / "HE" / "train" / "00000_train_3+.png") in str(caught.value)


def test_other_names_are_not_bci(tmp_path):
    folder = make_bci(tmp_path)
    for stain in ("HE", "IHC"):
        (folder / stain / "test" / "00000_test_0.png").rename(folder / stain / "test" / "9.png")
    with pytest.raises(DataError, match=r"9\.png is not named") as caught:
        Bci.open(folder, "")
    assert "pairs:FOLDER" in str(caught.value)


def test_a_pair_that_is_there_twice_is_refused(tmp_path):
    make_bci(tmp_path / "a")
    make_bci(tmp_path / "b", "trainvalab")
    with pytest.raises(DataError, match="twice"):
        Bci.open(tmp_path, "")


def test_verify_counts(tmp_path):
    messages = [f.message for f in Bci.open(make_bci(tmp_path), "").verify()]
    assert messages == ["2 of 3896 train images are here", "1 of 977 test images are here"]
