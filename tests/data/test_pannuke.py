import resource
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histokit.data.pannuke import PanNuke, merge_channels
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_pannuke


def masks_file(root, number=1):
    return root / f"Fold {number}" / "masks" / f"fold{number}" / "masks.npy"


def images_file(root, number=1):
    return root / f"Fold {number}" / "images" / f"fold{number}" / "images.npy"


def first(data, key="fold1_1"):
    return next(record for record in data.records() if record.key == key)


def sparse_npy(path, shape, dtype):
    """An npy file of zeros that takes no room on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        handle.truncate(handle.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


@pytest.mark.parametrize(
    ("variant", "test"), [("", 3), ("split1", 3), ("split2", 3), ("split3", 1)]
)
def test_a_variant_says_which_fold_tests(tmp_path, variant, test):
    records = PanNuke.open(make_pannuke(tmp_path), variant).records()
    assert [record.key for record in records[:4]] == ["fold1_0", "fold1_1", "fold1_2", "fold2_0"]
    assert len(records) == 9
    assert {(r.group, r.split) for r in records} == {
        (f"fold{number}", "test" if number == test else "train") for number in (1, 2, 3)
    }
    assert {record.mpp for record in records} == {0.25}


def test_other_variants_are_refused(tmp_path):
    with pytest.raises(UnknownName, match="split1"):
        PanNuke.open(make_pannuke(tmp_path), "split4")


@pytest.mark.parametrize(
    ("inner", "count"),
    [(".", 9), ("Fold 1", 3), ("Fold 1/images", 3), ("Fold 1/masks/fold1", 3), ("../..", 9)],
)
def test_roots_are_tolerant(tmp_path, inner, count):
    root = make_pannuke(tmp_path / "a" / "b")
    assert len(PanNuke.open((root / inner).resolve(), "").records()) == count


def test_other_spellings_and_the_flat_copy_are_understood(tmp_path):
    make_pannuke(tmp_path)
    (tmp_path / "Fold 2").rename(tmp_path / "fold_2")
    flat = tmp_path / "Part 1"
    (tmp_path / "Fold 1").rename(tmp_path / "old")
    for kind in ("Images", "Masks"):
        (flat / kind).mkdir(parents=True)
    old = tmp_path / "old"
    (old / "images" / "fold1" / "images.npy").rename(flat / "Images" / "images.npy")
    (old / "masks" / "fold1" / "masks.npy").rename(flat / "Masks" / "masks.npy")
    data = PanNuke.open(tmp_path, "")
    assert len(data.records()) == 9
    assert all(record.labels for record in data.records())
    assert len(data.tissues()) == 9


def test_ids_of_channels_are_kept_apart_and_the_later_channel_wins(tmp_path):
    data = PanNuke.open(make_pannuke(tmp_path), "")
    labels = data.labels(first(data))
    assert labels.ids.dtype == np.int32
    assert np.unique(labels.ids).tolist() == [0, 1, 2, 3, 4]
    assert labels.classes == {1: 1, 2: 1, 3: 2, 4: 5}
    masks = np.load(masks_file(tmp_path))[1]
    np.testing.assert_array_equal(labels.ids == 3, masks[..., 1] > 0)
    np.testing.assert_array_equal(labels.ids > 0, masks[..., :5].any(axis=-1))
    both = (masks[..., 0] == 3) & (masks[..., 1] == 3)
    assert both.any()
    assert set(labels.ids[both]) == {3}
    empty = data.labels(first(data, "fold1_0"))
    assert empty.ids.max() == 0
    assert empty.classes == {}


@given(arrays(np.uint8, (6, 5, 6), elements=st.integers(0, 3)))
def test_merging_keeps_every_visible_object_apart(stack):
    labels = merge_channels("here", stack)
    visible = {}
    for row, column in np.ndindex(stack.shape[:2]):
        here = [(c, int(stack[row, column, c])) for c in range(5) if stack[row, column, c]]
        number = int(labels.ids[row, column])
        assert (number == 0) == (not here)
        if here:
            assert visible.setdefault(here[-1], number) == number
            assert labels.classes[number] == here[-1][0] + 1
    assert sorted(visible.values()) == list(range(1, len(visible) + 1))
    assert set(labels.classes) == set(visible.values())


def test_images_are_bytes(tmp_path):
    data = PanNuke.open(make_pannuke(tmp_path), "")
    image = data.image(first(data))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.load(images_file(tmp_path))[1])


def test_tissues_are_kept_verbatim_and_may_be_missing(tmp_path):
    make_pannuke(tmp_path)
    (tmp_path / "Fold 2" / "images" / "fold2" / "types.npy").unlink()
    data = PanNuke.open(tmp_path, "")
    assert data.tissues()["fold1_1"] == "Bile-duct"
    assert {r.key: r.tissue for r in data.records()}["fold1_1"] == "Bile-duct"
    assert "fold2_0" not in data.tissues()
    assert any("tissues are not known" in finding.message for finding in data.verify())


def test_a_sound_set_yields_notes_only(tmp_path):
    findings = list(PanNuke.open(make_pannuke(tmp_path), "").verify())
    assert {finding.level for finding in findings} == {"note"}
    messages = [finding.message for finding in findings]
    assert messages.count("1 patches have pixels in two classes; the later class keeps them") == 3
    assert messages.count("holds no object") == 3
    assert "6 of 5179 train images are here" in messages
    assert "3 of 2722 test images are here" in messages


def test_opening_and_reading_a_patch_does_not_load_the_fold(tmp_path):
    sparse_npy(images_file(tmp_path), (2656, 256, 256, 3), np.float64)
    sparse_npy(masks_file(tmp_path), (2656, 256, 256, 6), np.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    data = PanNuke.open(tmp_path, "")
    last = data.records()[-1]
    assert data.image(last).shape == (256, 256, 3)
    assert data.labels(last).ids.max() == 0
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 2**10


def test_a_fold_under_a_wrong_name_is_known_by_its_number_of_patches(tmp_path):
    sparse_npy(images_file(tmp_path, 3), (2523, 8, 8, 3), np.uint8)
    data = PanNuke.open(tmp_path, "")
    assert {(record.group, record.split) for record in data.records()} == {("fold2", "train")}
    warned = next(data.verify())
    assert warned.message == "is called fold 3 but has the patches of fold 2"
    sparse_npy(images_file(tmp_path, 2), (2523, 8, 8, 3), np.uint8)
    with pytest.raises(DataError, match="one fold") as caught:
        PanNuke.open(tmp_path, "")
    assert str(images_file(tmp_path, 3)) in str(caught.value)


def test_folds_that_do_not_match_are_refused(tmp_path):
    make_pannuke(tmp_path)
    stack = np.load(masks_file(tmp_path))
    np.save(masks_file(tmp_path), stack[:2])
    with pytest.raises(DataError, match="same fold") as caught:
        PanNuke.open(tmp_path, "")
    assert str(masks_file(tmp_path)) in str(caught.value)
    np.save(masks_file(tmp_path), stack[..., :5])
    with pytest.raises(DataError, match="another form"):
        PanNuke.open(tmp_path, "")


def test_a_truncated_or_pickled_file_is_refused(tmp_path):
    make_pannuke(tmp_path)
    whole = masks_file(tmp_path).read_bytes()
    masks_file(tmp_path).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"masks\.npy"):
        PanNuke.open(tmp_path, "")
    np.save(masks_file(tmp_path), np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="never read"):
        PanNuke.open(tmp_path, "")


def test_without_masks_there_are_images_only(tmp_path):
    make_pannuke(tmp_path)
    masks_file(tmp_path).unlink()
    images_file(tmp_path, 2).unlink()
    data = PanNuke.open(tmp_path, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(first(data))
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert warned[str(masks_file(tmp_path, 2))] == "has no image"
    assert warned[f"{images_file(tmp_path)}[1]"] == "has no labels"


def test_a_fold_without_number_is_asked_for(tmp_path):
    sparse_npy(tmp_path / "x" / "images.npy", (3, 8, 8, 3), np.uint8)
    with pytest.raises(DataError, match="which fold"):
        PanNuke.open(tmp_path / "x", "")
    (tmp_path / "y").mkdir()
    with pytest.raises(DataError, match=r"masks\.npy"):
        PanNuke.open(tmp_path / "y", "")


@pytest.mark.parametrize(
    ("value", "reason"), [(0.5, "fractions"), (-1, "from -1"), (np.nan, "nan")]
)
def test_bad_masks_are_named_with_their_row(tmp_path, value, reason):
    make_pannuke(tmp_path)
    stack = np.load(masks_file(tmp_path))
    stack[1, 0, 0, 4] = value
    np.save(masks_file(tmp_path), stack)
    data = PanNuke.open(tmp_path, "")
    with pytest.raises(DataError, match=reason):
        data.labels(first(data))
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [f"{masks_file(tmp_path)}[1]"]


def test_images_out_of_range_and_equal_images_are_found(tmp_path):
    make_pannuke(tmp_path)
    images = np.load(images_file(tmp_path))
    images[0, 0, 0, 0] = 256
    images[2] = images[1]
    np.save(images_file(tmp_path), images)
    data = PanNuke.open(tmp_path, "")
    found = {f.where: f for f in data.verify() if f.level != "note"}
    assert found[f"{images_file(tmp_path)}[0]"].level == "error"
    assert (
        f"same pixels as {images_file(tmp_path)}[1]" in found[f"{images_file(tmp_path)}[2]"].message
    )


def test_a_list_of_tissues_that_does_not_fit_is_told(tmp_path):
    make_pannuke(tmp_path)
    np.save(images_file(tmp_path).parent / "types.npy", np.array(["Breast"]))
    data = PanNuke.open(tmp_path, "")
    with pytest.raises(DataError, match="3 tissues"):
        data.tissues()
    assert [f.where for f in data.verify() if f.level == "warning"] == ["types.npy"]
