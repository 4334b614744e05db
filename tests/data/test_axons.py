from collections import Counter

import numpy as np
import pytest
from PIL import Image

from histokit.data.axons import AdsBf, AdsSem, AdsTem
from histokit.errors import DataError
from histokit.testing.datasets_axons import make_ads_bf, make_ads_sem, make_ads_tem

LABELS = "derivatives/labels"


def findings(data):
    return [(f.level, f.where.rpartition("/")[2], f.message) for f in data.verify()]


def test_sem_records_have_rats_parts_and_their_own_pixel_size(tmp_path):
    records = AdsSem.open(make_ads_sem(tmp_path), "").records()
    found = [(r.key, r.group, r.split, len(r.labels)) for r in records]
    assert found == [
        ("sub-rat1_sample-data1_SEM", "sub-rat1", "train", 3),
        ("sub-rat3_sample-data2_SEM", "sub-rat3", "train", 3),
        ("sub-rat3_sample-data10_SEM", "sub-rat3", "train", 3),
        ("sub-rat6_sample-data15_SEM", "sub-rat6", "test", 2),
    ]
    assert [r.mpp for r in records] == pytest.approx([0.18, 0.1, 0.1, 0.13])


def test_tem_and_bright_field_have_the_parts_of_the_published_models(tmp_path):
    tem = AdsTem.open(make_ads_tem(tmp_path), "").records()
    assert [record.split for record in tem] == ["train", "train", "val", "test"]
    assert {record.mpp for record in tem} == {0.00236}
    bright = AdsBf.open(make_ads_bf(tmp_path), "").records()
    assert [(r.group, r.split) for r in bright] == [
        ("sub-uoftRat02", "test"),
        ("sub-uoftRat04", "train"),
        ("sub-uoftRat04", "train"),
    ]


def test_the_inverted_variant_turns_the_images_alone(tmp_path):
    folder = make_ads_sem(tmp_path)
    plain, inverted = (AdsSem.open(folder, variant) for variant in ("", "inverted"))
    for record in plain.records():
        assert np.array_equal(plain.image(record), 255 - inverted.image(record))
        assert np.array_equal(plain.labels(record).ids, inverted.labels(record).ids)
        assert plain.labels(record).classes == inverted.labels(record).classes


@pytest.mark.parametrize("inner", [".", "data_axondeepseg_sem", "data_axondeepseg_sem/sub-rat3"])
def test_roots_are_tolerant(tmp_path, inner):
    make_ads_sem(tmp_path)
    assert len(AdsSem.open(tmp_path / inner, "").records()) == 4


def test_odd_files_are_told_in_words(tmp_path):
    found = findings(AdsSem.open(make_ads_sem(tmp_path), ""))
    odd = "sub-rat3_sample-data10_SEM_seg-axonmyelin-manual.png"
    text = "has odd grey levels: 130 (5 pixels, read as myelin), 233 (4 pixels, read as axon)"
    assert ("warning", odd, text) in found
    assert any(name == odd and "is grey with alpha" in message for _, name, message in found)
    assert ("note", "sub-rat3_SEM.json", "gives the pixel size of 2 images") in found
    assert any("is RGB" in message and "rat1" in name for _, name, message in found)
    assert (
        "note",
        "sub-rat6_sample-data15_SEM_seg-nuclei-manual.png",
        "is not read",
    ) in found
    assert any("3 grey (such as" in m and "1 grey with alpha" in m for _, _, m in found)
    assert Counter(level for level, _, _ in found) == {"note": 7, "warning": 1}


def test_a_mask_without_image_and_an_image_without_mask_are_told(tmp_path):
    folder = make_ads_sem(tmp_path)
    (folder / "sub-rat1" / "micr" / "sub-rat1_sample-data1_SEM.png").unlink()
    for path in (folder / LABELS / "sub-rat6" / "micr").iterdir():
        path.unlink()
    Image.new("L", (8, 8)).save(folder / "sub-rat3" / "micr" / "overview.png")
    data = AdsSem.open(folder, "")
    found = findings(data)
    assert ("note", "overview.png", "is not read") in found
    assert sum(message == "has no image" for _, _, message in found) == 3
    assert ("warning", "sub-rat6_sample-data15_SEM.png", "has no labels") in found
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[-1])


@pytest.mark.parametrize("content", [b"", b"/annex/objects/MD5E-s1--1.png\n", None])
def test_files_that_git_annex_has_not_fetched_are_named(tmp_path, content):
    folder = make_ads_sem(tmp_path)
    image = folder / "sub-rat1" / "micr" / "sub-rat1_sample-data1_SEM.png"
    mask = folder / LABELS / "sub-rat3/micr/sub-rat3_sample-data2_SEM_seg-axonmyelin-manual.png"
    for path in (image, mask):
        path.unlink()
        if content is None:
            path.symlink_to("../../.git/annex/objects/gone.png")
        else:
            path.write_bytes(content)
    data = AdsSem.open(folder, "")
    for path, read, record in ((image, data.image, 0), (mask, data.labels, 1)):
        with pytest.raises(DataError, match="git annex get") as caught:
            read(data.records()[record])
        assert str(path) in str(caught.value)
    errors = [f.where for f in data.verify() if f.level == "error"]
    assert {str(image), str(mask)} <= set(errors)


def test_pixels_that_are_not_square_and_images_of_unknown_size_are_told(tmp_path):
    folder = make_ads_sem(tmp_path)
    side = folder / "sub-rat1" / "micr" / "sub-rat1_sample-data1_SEM.json"
    side.write_text('{"PixelSize": [0.4, 0.1]}')
    (folder / "sub-rat3" / "micr" / "sub-rat3_SEM.json").unlink()
    data = AdsSem.open(folder, "")
    assert [r.mpp for r in data.records()] == pytest.approx([0.2, None, None, 0.13])
    messages = [message for _, _, message in findings(data)]
    assert "pixels of 0.4 by 0.1 µm are taken as square" in messages
    assert messages.count("no file says its pixel size") == 2


def test_two_masks_of_one_kind_and_two_copies_are_refused(tmp_path):
    folder = make_ads_sem(tmp_path / "a")
    micr = folder / LABELS / "sub-rat1" / "micr"
    mask = micr / "sub-rat1_sample-data1_SEM_seg-axon-manual.png"
    Image.open(mask).save(mask.with_suffix(".tif"))
    with pytest.raises(DataError, match="several masks of axon") as caught:
        AdsSem.open(folder, "")
    assert str(mask) in str(caught.value)
    mask.unlink()
    make_ads_sem(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        AdsSem.open(tmp_path, "")


def test_real_sem_images(shared_data):
    data = AdsSem.open(shared_data / "data_axondeepseg_sem", "")
    records = data.records()
    assert {r.group: r.mpp for r in records} == {
        "sub-rat1": 0.18,
        "sub-rat2": 0.093,
        "sub-rat3": 0.1,
        "sub-rat4": 0.1,
        "sub-rat5": 0.13,
    }
    assert len(records) == 7
    labels = data.labels(records[1])
    axons = [number for number, kind in labels.classes.items() if kind == 1]
    assert np.isin(labels.ids, axons).sum() == 354544 + 4
    assert (labels.ids > max(axons)).sum() == 488611 + 5
    found = findings(data)
    for name, told in (
        ("rat2_sample-data5_SEM_seg-axonmyelin-manual.png", "130 (5 pixels, read as myelin)"),
        ("rat2_sample-data5_SEM_seg-axonmyelin-manual.png", "233 (4 pixels, read as axon)"),
        ("rat2_sample-data5_SEM_seg-axon-manual.png", "in 5 pixels"),
        ("rat5_sample-data14_SEM_seg-axonmyelin-manual.png", "grey with alpha"),
        ("rat3_SEM.json", "3 images"),
    ):
        assert any(name in where and told in message for _, where, message in found), told
    assert "error" not in {level for level, _, _ in found}
