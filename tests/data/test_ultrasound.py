import zipfile

import numpy as np
import pytest
from PIL import Image

from histokit.data.sheets import read_sheet
from histokit.data.ultrasound import Udiat, UsTnbc
from histokit.errors import DataError
from histokit.testing.datasets_organs import make_udiat, make_us_tnbc, save_sheet


def told(data, level="warning"):
    return {f.where: f.message for f in data.verify() if f.level == level}


def sheet(root):
    return root / "Dataset_B" / "DatasetB.xlsx"


def mask(root, name="000001"):
    return root / "Dataset_B" / "GT" / f"{name}.png"


@pytest.mark.parametrize("inner", [".", "Dataset_B", "Dataset_B/original", "Dataset_B/GT"])
def test_roots_are_tolerant(tmp_path, inner):
    make_udiat(tmp_path)
    records = Udiat.open(tmp_path / inner, "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        ("000001", "000001", None, None),
        ("000003", "000003", None, None),
    ]


def test_grey_and_colour_are_read_alike(tmp_path):
    data = Udiat.open(make_udiat(tmp_path), "")
    for record, mode, side in zip(data.records(), ("L", "RGB"), (48, 64), strict=True):
        with Image.open(record.image) as image, Image.open(record.labels[0]) as stored:
            assert (image.mode, stored.mode) == (mode, mode)
            pixels, drawn = np.asarray(image.convert("RGB")), np.asarray(stored.convert("L"))
        np.testing.assert_array_equal(data.image(record), pixels)
        np.testing.assert_array_equal(data.labels(record).ids, drawn // 255)
        assert pixels.shape == (side, side, 3)


def test_palette_masks_are_read(tmp_path):
    make_udiat(tmp_path)
    indices = np.zeros((48, 48), np.uint8)
    indices[3:9, 3:9] = 1
    image = Image.fromarray(indices)
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.save(mask(tmp_path))
    data = Udiat.open(tmp_path, "")
    np.testing.assert_array_equal(data.labels(data.records()[0]).ids, indices)


def test_classes_come_from_the_sheet_by_name_or_number(tmp_path):
    data = Udiat.open(make_udiat(tmp_path), "")
    assert [data.labels(record).classes for record in data.records()] == [{1: 1}, {1: 2}]
    assert told(data, "note") == {
        "sheet": "says 1 benign, 1 malignant",
        "images": "2 of 163 images are here",
        "channels": "images differ: 1 grey (such as 000001.png), "
        "1 RGB (such as 000003.png); all become RGB",
    }


def test_images_that_the_sheet_lacks_have_no_class(tmp_path):
    make_udiat(tmp_path)
    save_sheet(sheet(tmp_path), [("Image", "Type"), ("Malignant", "3"), ("1", "Fibroadenoma")])
    data = Udiat.open(tmp_path, "")
    assert [data.labels(record).classes for record in data.records()] == [{}, {1: 2}]
    assert told(data) == {str(data.records()[0].image): "is not in the sheet; has no class"}


@pytest.mark.parametrize("content", [None, b"PK", b"PK\3\4 but not a book"])
def test_missing_and_damaged_sheets_are_told_and_cost_the_classes_only(tmp_path, content):
    make_udiat(tmp_path)
    sheet(tmp_path).unlink()
    if content is not None:
        sheet(tmp_path).write_bytes(content)
    data = Udiat.open(tmp_path, "")
    assert data.labels(data.records()[0]).classes == {}
    assert "lesions have no class" in told(data)["sheet"]
    assert ("cannot read" in told(data)["sheet"]) == (content is not None)


def test_sheets_give_their_cells_and_refuse_entities(tmp_path):
    save_sheet(tmp_path / "x.xlsx", [("Image", "Type"), ("3", " Benign ")])
    assert read_sheet(tmp_path / "x.xlsx") == [["Image", "Type"], ["3", "Benign"]]
    for text, reason in (
        ("<!DOCTYPE x><x/>", "attack"),
        ('<!ENTITY a "b"><x/>', "attack"),
        ("<x>", "no element"),
        ('<x><row><c t="s"><v>5</v></c></row></x>', "word"),
    ):
        with zipfile.ZipFile(tmp_path / "y.xlsx", "w") as book:
            book.writestr("xl/worksheets/sheet1.xml", text)
        with pytest.raises(DataError, match=reason):
            read_sheet(tmp_path / "y.xlsx")


def test_what_does_not_pair_is_told(tmp_path):
    make_udiat(tmp_path)
    mask(tmp_path).rename(mask(tmp_path, "000099"))
    data = Udiat.open(tmp_path, "")
    assert told(data) == {
        str(mask(tmp_path, "000099")): "has no image",
        str(data.records()[0].image): "has no labels",
    }


def test_bad_masks_are_refused_and_found(tmp_path):
    make_udiat(tmp_path)
    Image.new("L", (20, 48)).save(mask(tmp_path))
    data = Udiat.open(tmp_path, "")
    with pytest.raises(DataError, match="48x20"):
        data.labels(data.records()[0])
    assert set(told(data, "error")) == {str(mask(tmp_path))}


def test_swapped_folders_are_refused(tmp_path):
    folder = make_us_tnbc(tmp_path)
    colours = np.random.default_rng(1).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    Image.fromarray(colours).save(folder / "masks" / "case_1.png")
    data = UsTnbc.open(folder, "")
    with pytest.raises(DataError, match="colours"):
        data.labels(data.records()[0])


@pytest.mark.parametrize("names", [("images", "masks"), ("original", "GT"), ("image", "labels")])
def test_us_tnbc_takes_usual_names_of_folders(tmp_path, names):
    folder = make_us_tnbc(tmp_path)
    for old, new in zip(("images", "masks"), names, strict=True):
        (folder / old).rename(folder / new)
    data = UsTnbc.open(tmp_path, "")
    assert [data.labels(record).ids.max() for record in data.records()] == [1, 1]
    assert "not public" in told(data, "note")["layout"]


def test_two_copies_are_not_guessed_between(tmp_path):
    make_udiat(tmp_path / "a")
    make_udiat(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        Udiat.open(tmp_path, "")
    make_us_tnbc(tmp_path / "a")
    make_us_tnbc(tmp_path / "b")
    with pytest.raises(DataError, match="several pairs"):
        UsTnbc.open(tmp_path, "")
