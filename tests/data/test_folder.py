from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.data.folder import Folder
from histokit.errors import DataError
from histokit.testing.datasets import make_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def image(path: Path, array=PIXELS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def mask(path: Path, *values: int, dtype=np.uint8) -> Path:
    array = np.zeros((20, 30), dtype)
    for number, value in enumerate(values):
        array[2:6, 3 * number : 3 * number + 3] = value
    return image(path, array)


def ids_of(root: Path, variant: str = ""):
    data = Folder.open(root, variant)
    return data.labels(data.records()[0]).ids


def test_every_kind_of_mask_is_read_as_meant(tmp_path):
    data = Folder.open(make_folder(tmp_path), "")
    assert [record.key for record in data.records()][:3] == ["alone", "array1", "array2"]
    for record in data.records():
        assert record.group == record.key
        assert data.image(record).shape == (48, 48, 3)
        if record.key == "alone":
            continue
        ids = data.labels(record).ids
        assert ids.dtype == np.int32
        assert np.unique(ids).tolist() == [0, 1, 2], record.key
        if record.key[:2] in ("id", "ti", "ar"):
            assert (ids[15, 15], ids[15, 25]) == (1, 2)


def test_verify_lists_orphans_and_files_that_are_not_read(tmp_path):
    findings = {
        (Path(f.where).name, f.level) for f in Folder.open(make_folder(tmp_path), "").verify()
    }
    assert {("orphan.png", "warning"), ("alone.png", "warning"), ("readme.txt", "note")} <= findings
    assert not [where for where, level in findings if level == "error"]


@pytest.mark.parametrize("inner", [".", "data", "data/images", "data/masks"])
def test_roots_are_tolerant(tmp_path, inner):
    make_folder(tmp_path / "data")
    data = Folder.open(tmp_path / inner, "")
    assert sum(bool(record.labels) for record in data.records()) == 12


@pytest.mark.parametrize(
    ("images", "masks"),
    [("Tissue_Images", "GroundTruth"), ("IMG", "gt"), ("patches", "Labels"), (".", "annotations")],
)
def test_usual_folder_names_are_tried(tmp_path, images, masks):
    image(tmp_path / images / "a.png")
    label = mask(tmp_path / masks / "a.png", 1, dtype=np.uint8)
    (record,) = Folder.open(tmp_path, "").records()
    assert record.labels == (label,)


@pytest.mark.parametrize(
    "end", ["_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_bin_mask", "_inst"]
)
def test_masks_may_lie_beside_their_images(tmp_path, end):
    image(tmp_path / "a.jpg")
    label = mask(tmp_path / f"a{end}.png", 255)
    (record,) = Folder.open(tmp_path, "").records()
    assert (record.key, record.labels) == ("a", (label,))


def test_images_alone_are_legal_and_have_no_labels(tmp_path):
    image(tmp_path / "a2.png")
    image(tmp_path / "a10.png", PIXELS[:5])
    data = Folder.open(tmp_path, "")
    assert [record.key for record in data.records()] == ["a2", "a10"]
    assert all(record.labels == () for record in data.records())
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])
    assert [finding.level for finding in data.verify()] == ["note"]


def test_small_8_bit_numbers_are_not_guessed(tmp_path):
    image(tmp_path / "images" / "a.png")
    path = mask(tmp_path / "masks" / "a.png", 1, 2, 5)
    with pytest.raises(DataError, match="folder@instances") as caught:
        ids_of(tmp_path)
    assert "folder@binary" in str(caught.value)
    assert str(path) in str(caught.value)
    assert ids_of(tmp_path, "instances").max() == 3
    assert ids_of(tmp_path, "binary").max() == 1
    assert [f.level for f in Folder.open(tmp_path, "").verify()] == ["error"]


def test_the_same_numbers_in_16_bits_are_ids(tmp_path):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", 1, 2, 5, dtype=np.uint16)
    assert ids_of(tmp_path).max() == 3


@pytest.mark.parametrize("values", [(255,), (1,), (254,), (255, 250, 3)])
def test_two_values_and_noise_around_two_are_binary(tmp_path, values):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", *values)
    assert ids_of(tmp_path).max() == 1
    assert (ids_of(tmp_path) > 0).sum() == 12 * len([value for value in values if value != 3])


def test_bool_arrays_are_binary_even_as_many_pieces(tmp_path):
    image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", np.indices((20, 30)).sum(0) % 4 == 0)
    assert ids_of(tmp_path).max() > 1


@pytest.mark.parametrize("middle", [127, 128])
def test_three_levels_are_no_objects(tmp_path, middle):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", middle, 255)
    for variant in ("auto", "binary"):
        with pytest.raises(DataError, match=str(middle)):
            ids_of(tmp_path, variant)


def test_instances_of_one_id_in_pieces_look_binary(tmp_path):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png", 255, 0, 255)
    assert ids_of(tmp_path).max() == 2
    assert ids_of(tmp_path, "instances").max() == 1
    (finding,) = Folder.open(tmp_path, "instances").verify()
    assert "folder@binary" in finding.message


def test_lossy_masks_are_refused(tmp_path):
    image(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.jpg", 255)
    with pytest.raises(DataError, match="lossy"):
        ids_of(tmp_path)


def test_a_mask_of_another_size_is_refused_and_found(tmp_path):
    path = image(tmp_path / "images" / "a.png", PIXELS[:10])
    label = mask(tmp_path / "masks" / "a.png", 255)
    with pytest.raises(DataError, match="20x30") as caught:
        ids_of(tmp_path)
    for part in (str(path), str(label), "10x30"):
        assert part in str(caught.value)
    (finding,) = Folder.open(tmp_path, "").verify()
    assert (finding.level, finding.where) == ("error", str(label))


@pytest.mark.parametrize(
    "names",
    [
        ("images/a.png", "images/a.tif"),
        ("images/a.png", "images/A.png"),
        ("images/a.png", "masks/a.png", "masks/a.tif"),
        ("images/a.png", "masks/a_mask.png", "masks/a_gt.png"),
        ("images/a.png", "masks/a.png", "masks/a_mask.png"),
        ("images/a.png", "images/a_bin.png", "masks/a_bin_mask.png"),
    ],
)
def test_ambiguous_names_are_refused(tmp_path, names):
    for name in names:
        (image if name.startswith("images") else mask)(tmp_path / name)
    with pytest.raises(DataError) as caught:
        Folder.open(tmp_path, "")
    assert str(tmp_path / names[-1]) in str(caught.value)


def test_an_exact_name_wins_over_a_suffix(tmp_path):
    for name in ("a", "a_mask"):
        image(tmp_path / "images" / f"{name}.png")
        mask(tmp_path / "masks" / f"{name}.png", 1)
    labels = [record.labels[0].stem for record in Folder.open(tmp_path, "").records()]
    assert labels == ["a", "a_mask"]


def test_ids_beyond_the_size_of_the_image_are_numbered(tmp_path):
    image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    big = np.zeros((20, 30), np.uint32)
    big[0, 0], big[0, 1], big[9, 9] = 2_000_000_000, 70_000, 3
    tifffile.imwrite(tmp_path / "masks" / "a.tif", big)
    ids = ids_of(tmp_path)
    assert (ids[9, 9], ids[0, 1], ids[0, 0], ids.max()) == (1, 2, 3, 3)


def test_duplicates_are_found_by_content(tmp_path):
    image(tmp_path / "a.png")
    image(tmp_path / "b.bmp")
    messages = [f.message for f in Folder.open(tmp_path, "").verify() if f.level == "warning"]
    assert len(messages) == 1
    assert "same pixels" in messages[0]


def test_images_beside_the_image_folder_are_not_skipped_in_silence(tmp_path):
    image(tmp_path / "images" / "a.png")
    beside = image(tmp_path / "preview.png", PIXELS[:5])
    findings = [f.message for f in Folder.open(tmp_path, "").verify() if f.where == str(beside)]
    assert findings == ["is not read"]


def test_nothing_there_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no images")
    with pytest.raises(DataError, match=r"images/x\.png"):
        Folder.open(tmp_path, "")


def test_several_folders_of_images_are_not_guessed_between(tmp_path):
    image(tmp_path / "x" / "a.png")
    image(tmp_path / "y" / "a.png")
    with pytest.raises(DataError, match="several"):
        Folder.open(tmp_path, "")


def test_real_masks_through_the_folder_reader(shared_data):
    root = shared_data / "TNBC" / "TNBC_NucleiSegmentation" / "Slide_01"
    assert len(Folder.open(root, "").records()) == 7
