from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label

from histokit.data.tnbc import Tnbc
from histokit.errors import DataError, UnknownName
from histokit.io.images import read_mask
from histokit.testing.datasets import make_tnbc


def by_key(data: Tnbc):
    return {record.key: record for record in data.records()}


def test_breast_patients_only_by_default_and_all_on_request(tmp_path: Path):
    make_tnbc(tmp_path)
    assert list(by_key(Tnbc.open(tmp_path, ""))) == ["01_1", "01_2", "02_1"]
    brain = Tnbc.open(tmp_path, "brain").records()
    assert [record.group for record in brain] == ["01", "01", "02", "12"]
    with pytest.raises(UnknownName, match="liver"):
        Tnbc.open(tmp_path, "liver")


@pytest.mark.parametrize("inner", [".", "TNBC_NucleiSegmentation", "TNBC_NucleiSegmentation/GT_01"])
def test_the_archive_its_parent_and_its_inner_folders_are_all_understood(tmp_path, inner):
    make_tnbc(tmp_path)
    assert len(Tnbc.open(tmp_path / inner, "").records()) == 3


def test_case_and_separators_of_folders_do_not_matter(tmp_path):
    folder = make_tnbc(tmp_path)
    (folder / "Slide_01").rename(folder / "slide 01")
    (folder / "GT_01").rename(folder / "gt-1")
    records = by_key(Tnbc.open(tmp_path, ""))
    assert records["01_1"].labels == (folder / "gt-1" / "01_1.png",)


def test_nuclei_are_8_connected_and_pinholes_are_filled(tmp_path):
    make_tnbc(tmp_path)
    data = Tnbc.open(tmp_path, "")
    ids = data.labels(by_key(data)["01_1"]).ids
    assert ids.dtype == np.int32
    assert np.unique(ids).tolist() == [0, 1, 2]
    assert ids[8, 8] == ids[16, 16] == 1
    assert ids[44, 44] == ids[44, 45] == 2


def test_images_are_rgb_with_and_without_alpha(tmp_path):
    make_tnbc(tmp_path)
    data = Tnbc.open(tmp_path, "")
    for record in data.records():
        with Image.open(record.image) as stored:
            expected = np.asarray(stored)[..., :3]
        np.testing.assert_array_equal(data.image(record), expected)


def test_a_sound_set_yields_only_what_is_missing_from_the_whole(tmp_path):
    make_tnbc(tmp_path)
    findings = list(Tnbc.open(tmp_path, "").verify())
    assert {finding.level for finding in findings} == {"note"}
    assert [finding.message for finding in findings] == [
        "3 of 50 images are here",
        "2 of 11 groups are here",
        "images differ: 2 RGB with alpha (such as 01_1.png), 1 RGB (such as 02_1.png); "
        "all become RGB",
    ]


def test_cell_type_masks_are_foreground_above_zero(tmp_path):
    folder = make_tnbc(tmp_path)
    types = np.zeros((64, 64), np.uint8)
    types[2:6, 2:6], types[20:30, 20:30], types[40:44, 40:44] = 1, 4, 2
    Image.fromarray(types).save(folder / "GT_01" / "01_1.png")
    data = Tnbc.open(tmp_path, "")
    assert data.labels(data.records()[0]).ids.max() == 3
    assert any("cell types" in finding.message for finding in data.verify())


def test_an_image_without_mask_opens_but_has_no_labels(tmp_path):
    folder = make_tnbc(tmp_path)
    (folder / "GT_01" / "01_1.png").unlink()
    (folder / "Slide_02" / "02_1.png").unlink()
    Image.new("RGB", (64, 64)).save(folder / "Slide_02" / "02_9.png")
    data = Tnbc.open(tmp_path, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(by_key(data)["01_1"])
    warned = [Path(f.where).name for f in data.verify() if f.level == "warning"]
    assert sorted(warned) == ["01_1.png", "02_1.png", "02_9.png"]


def test_swapped_image_and_mask_folders_are_refused(tmp_path):
    folder = make_tnbc(tmp_path)
    (folder / "GT_01").rename(folder / "x")
    (folder / "Slide_01").rename(folder / "GT_01")
    (folder / "x").rename(folder / "Slide_01")
    data = Tnbc.open(tmp_path, "")
    with pytest.raises(DataError, match="colours"):
        data.labels(data.records()[0])


def test_damaged_and_misfitting_files_are_found_and_named(tmp_path):
    folder = make_tnbc(tmp_path)
    small, broken = folder / "GT_01" / "01_1.png", folder / "Slide_01" / "01_2.png"
    Image.new("L", (32, 60)).save(small)
    broken.write_bytes(broken.read_bytes()[:300])
    copy = folder / "Slide_02" / "02_2.png"
    copy.write_bytes((folder / "Slide_02" / "02_1.png").read_bytes())
    data = Tnbc.open(tmp_path, "")
    with pytest.raises(DataError, match="60x32") as caught:
        data.labels(data.records()[0])
    assert "64x64" in str(caught.value)
    assert str(folder / "Slide_01" / "01_1.png") in str(caught.value)
    findings = {finding.where: finding for finding in data.verify()}
    assert findings[str(small)].level == findings[str(broken)].level == "error"
    assert "same pixels" in " ".join(f.message for f in data.verify() if f.where == str(copy))


def test_nothing_there_is_told_with_the_expected_tree(tmp_path):
    archive = tmp_path / "TNBC.zip"
    archive.write_bytes(b"PK")
    for root in (tmp_path, tmp_path / "absent", archive):
        with pytest.raises(DataError, match="Slide_01") as caught:
            Tnbc.open(root, "")
        assert str(root) in str(caught.value)
    (tmp_path / "Slide_01").mkdir()
    with pytest.raises(DataError, match="no image"):
        Tnbc.open(tmp_path, "")


def test_two_copies_are_not_guessed_between(tmp_path):
    make_tnbc(tmp_path / "a")
    make_tnbc(tmp_path / "b")
    with pytest.raises(DataError, match="several copies"):
        Tnbc.open(tmp_path, "")


def test_real_images(shared_data):
    data = Tnbc.open(shared_data / "TNBC", "")
    records = data.records()
    assert len(records) == 30
    assert {record.group for record in records} == {f"0{number}" for number in range(1, 7)}
    masks = [read_mask(record.labels[0]) > 127 for record in records]
    assert sum(label(mask, connectivity=1).max() for mask in masks) == 2174
    for record, mask in zip(records, masks, strict=True):
        ids = data.labels(record).ids
        assert ids.max() == label(mask, connectivity=2).max()
        assert ((ids > 0) >= mask).all()
        assert data.image(record).shape == (512, 512, 3)
    assert {finding.level for finding in data.verify()} == {"note"}
