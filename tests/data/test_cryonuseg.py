import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.data.cryonuseg import CryoNuSeg
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_cryonuseg

AGAIN = "Annotator 1 (biologist second round of manual marks up)"
SECOND = "Annotator 2 (bioinformatician)"
NAME = "Human_AdrenalGland_01.tif"
FOLDERS = {"1": "Annotator 1 (biologist)", "1b": f"{AGAIN}/{AGAIN}", "2": f"{SECOND}/{SECOND}"}


def maps(root, variant="1"):
    return root / FOLDERS[variant] / "label masks modify"


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


@pytest.mark.parametrize(("variant", "count"), [("", 3), ("1", 3), ("1b", 2), ("2", 1)])
def test_each_rater_has_labels_of_their_own(tmp_path, variant, count):
    data = CryoNuSeg.open(make_cryonuseg(tmp_path), variant)
    assert [r.key for r in data.records()] == ["Human_AdrenalGland_01", "Human_Larynx_01"]
    for record in data.records():
        assert record.labels[0].parent == maps(tmp_path, variant or "1")
        assert data.labels(record).ids.max() == count


def test_overlaps_keep_the_larger_id_and_make_no_nucleus(tmp_path):
    data = CryoNuSeg.open(make_cryonuseg(tmp_path), "")
    raw = tifffile.imread(maps(tmp_path) / NAME)
    added = tifffile.imread(maps(tmp_path).parent / "label masks" / NAME)
    assert np.unique(raw).tolist() == [0, 2, 5, 300]
    assert np.unique(added).tolist() == [0, 2, 5, 7, 300]
    ids = data.labels(data.records()[0]).ids
    np.testing.assert_array_equal(ids == 2, raw == 5)
    assert (ids[added == 7] == 2).all()


def test_older_copies_have_one_rater(tmp_path):
    make_cryonuseg(tmp_path, older=True)
    data = CryoNuSeg.open(tmp_path, "")
    assert data.labels(data.records()[0]).ids.max() == 3
    assert not any(record.labels for record in CryoNuSeg.open(tmp_path, "2").records())


@pytest.mark.parametrize(
    "inner", [".", "set", "set/tissue images", f"set/{AGAIN}/{AGAIN}/label masks modify"]
)
def test_roots_are_tolerant(tmp_path, inner):
    make_cryonuseg(tmp_path / "set")
    records = CryoNuSeg.open(tmp_path / inner, "").records()
    assert [record.labels[0].parent for record in records] == [maps(tmp_path / "set")] * 2


def test_folders_once_or_otherwise_spelt_are_found(tmp_path):
    make_cryonuseg(tmp_path)
    (tmp_path / AGAIN / AGAIN / "label masks modify").rename(
        tmp_path / AGAIN / "Label_masks_modify"
    )
    data = CryoNuSeg.open(tmp_path, "1b")
    assert data.records()[0].labels == (tmp_path / AGAIN / "Label_masks_modify" / NAME,)


def test_two_folders_of_one_rater_are_not_guessed_between(tmp_path):
    make_cryonuseg(tmp_path)
    (tmp_path / AGAIN / "label masks modify").mkdir()
    with pytest.raises(DataError, match="rater 1b"):
        CryoNuSeg.open(tmp_path, "1b")


def test_verify_counts_and_tells_of_what_does_not_pair(tmp_path):
    make_cryonuseg(tmp_path)
    assert told(CryoNuSeg.open(tmp_path, ""), "note") == {"images": "2 of 30 images are here"}
    (tmp_path / "tissue images" / NAME).unlink()
    (maps(tmp_path) / "Human_Larynx_01.tif").unlink()
    assert told(CryoNuSeg.open(tmp_path, "")) == {str(maps(tmp_path) / NAME): "has no image"}
    assert "no image has labels" in told(CryoNuSeg.open(tmp_path, ""), "note")["labels"]


def test_misfitting_and_damaged_maps_are_refused_and_found(tmp_path):
    make_cryonuseg(tmp_path)
    Image.new("I;16", (32, 64)).save(maps(tmp_path) / NAME)
    (maps(tmp_path) / "Human_Larynx_01.tif").write_bytes(b"II*\0")
    data = CryoNuSeg.open(tmp_path, "")
    with pytest.raises(DataError, match="64x32"):
        data.labels(data.records()[0])
    assert len(told(data, "error")) == 2


def test_ids_beyond_16_bits_are_kept_apart(tmp_path):
    make_cryonuseg(tmp_path)
    ids = np.zeros((64, 64), np.uint32)
    ids[:9, :9], ids[20:29, :9] = 70_000, 70_000 - 65_536
    tifffile.imwrite(maps(tmp_path) / NAME, ids)
    data = CryoNuSeg.open(tmp_path, "")
    np.testing.assert_array_equal(data.labels(data.records()[0]).ids == 2, ids == 70_000)
