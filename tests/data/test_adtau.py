import numpy as np
import pytest
from PIL import Image

from histokit.data.adtau import AdTau
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_adtau


def slide(root, name="old_wsi_00", side="128x128"):
    return root / "dataset" / side / name


def lists(root):
    return root / "data" / "experiment_002"


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


def test_patches_are_grouped_by_slide_and_copies_stay_with_theirs(tmp_path):
    records = AdTau.open(make_adtau(tmp_path), "").records()
    assert len(records) == 12
    assert [(r.key, r.group, r.split) for r in records if r.group == "old_wsi_00"] == [
        ("old_wsi_00-patch_0", "old_wsi_00", None),
        ("old_wsi_00-patch_0_C1", "old_wsi_00", None),
        ("old_wsi_00-patch_1", "old_wsi_00", None),
    ]


@pytest.mark.parametrize(
    ("variant", "side", "groups"),
    [
        ("128-old", "128x128", {"old_wsi_00", "old_wsi_01"}),
        ("256-new", "256x256", {"new_wsi_00", "new_wsi_01"}),
        ("256", "256x256", {"old_wsi_00", "old_wsi_01", "new_wsi_00", "new_wsi_01"}),
    ],
)
def test_variants_choose_the_size_and_the_scanner(tmp_path, variant, side, groups):
    records = AdTau.open(make_adtau(tmp_path), variant).records()
    assert {record.group for record in records} == groups
    assert {record.image.parts[-4] for record in records} == {side}
    assert {record.image.parent.name for record in records} == {"patches"}


@pytest.mark.parametrize("inner", [".", "dataset", "dataset/128x128"])
def test_parts_follow_the_lists_and_test_no_shifted_copy(tmp_path, inner):
    records = AdTau.open(make_adtau(tmp_path) / inner, "128-test0-cv0").records()
    parts = {name: [r.key for r in records if r.split == name] for name in ("train", "val", "test")}
    assert parts == {
        "train": [f"old_wsi_01-patch_{end}" for end in ("0", "0_C1", "1")],
        "val": ["new_wsi_00-patch_0", "new_wsi_00-patch_1"],
        "test": [f"{name}-patch_{n}" for name in ("new_wsi_01", "old_wsi_00") for n in "01"],
    }


@pytest.mark.parametrize(
    "inner", ["dataset/128x128/old_wsi_00", "dataset/128x128/new_wsi_01/masks"]
)
def test_roots_are_tolerant_but_another_size_is_not_taken(tmp_path, inner):
    make_adtau(tmp_path)
    assert len(AdTau.open(tmp_path / inner, "").records()) == 12
    with pytest.raises(DataError, match="no adtau data"):
        AdTau.open(tmp_path / "dataset" / "256x256", "128")


def test_plaques_are_the_pieces_of_the_mask_of_the_patch(tmp_path):
    make_adtau(tmp_path)
    drawn = np.zeros((64, 64), np.uint8)
    drawn[2:9, 2:9] = 255
    Image.fromarray(drawn > 0).save(slide(tmp_path) / "masks" / "mask_1.png")
    data = AdTau.open(tmp_path, "128-old")
    records = {record.key: record for record in data.records()}
    assert data.labels(records["old_wsi_00-patch_0"]).ids.max() == 2
    np.testing.assert_array_equal(data.labels(records["old_wsi_00-patch_1"]).ids, drawn // 255)


def test_a_sound_copy_yields_only_what_is_missing(tmp_path):
    make_adtau(tmp_path)
    for variant, whole in (("128", 8), ("128-old", 4)):
        groups = 4 if whole == 8 else 2
        assert [finding.message for finding in AdTau.open(tmp_path, variant).verify()] == [
            f"{groups} of {whole} groups are here"
        ]


@pytest.mark.parametrize("text", ["wsi\n", "slide\nold_wsi_00\n", None])
def test_lists_that_are_missing_empty_or_of_another_form_are_refused(tmp_path, text):
    make_adtau(tmp_path)
    path = lists(tmp_path) / "dev_00_cv_00.csv"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DataError, match="dev_00_cv_00"):
        AdTau.open(tmp_path, "128-test0-cv0")
    with pytest.raises(DataError, match="train_03_cv_02"):
        AdTau.open(tmp_path, "128-test3-cv2")


def test_a_part_without_patches_is_told(tmp_path):
    make_adtau(tmp_path)
    (lists(tmp_path) / "dev_00_cv_00.csv").write_text("wsi\nnew_wsi_03\n")
    assert told(AdTau.open(tmp_path, "128-test0-cv0"))["val"] == "has no patch"


def test_what_does_not_pair_is_told(tmp_path):
    make_adtau(tmp_path)
    (slide(tmp_path) / "patches" / "patch_0.png").unlink()
    (slide(tmp_path) / "masks" / "mask_1.png").unlink()
    assert told(AdTau.open(tmp_path, "")) == {
        str(slide(tmp_path) / "masks" / "mask_0.png"): "has no image",
        str(slide(tmp_path) / "patches" / "patch_1.png"): "has no labels",
    }


def test_misfitting_masks_are_refused_and_found(tmp_path):
    make_adtau(tmp_path)
    path = slide(tmp_path, "new_wsi_00") / "masks" / "mask_0.png"
    Image.new("1", (32, 64)).save(path)
    data = AdTau.open(tmp_path, "")
    with pytest.raises(DataError, match="64x32"):
        data.labels(data.records()[0])
    assert set(told(data, "error")) == {str(path)}


def test_a_scanner_that_is_not_here_and_two_copies(tmp_path):
    make_adtau(tmp_path / "a")
    make_adtau(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        AdTau.open(tmp_path, "")
    for name in ("new_wsi_00", "new_wsi_01"):
        slide(tmp_path / "a", name).rename(tmp_path / name)
    with pytest.raises(DataError, match="no adtau image of variant 128-new"):
        AdTau.open(tmp_path / "a", "128-new")
