import numpy as np
import pytest
from PIL import Image
from scipy import io

from histokit.data.cards_classes import CONSEP
from histokit.data.consep import Consep
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_consep


def label_file(folder, name="train_1"):
    return folder / name.split("_")[0].title() / "Labels" / f"{name}.mat"


def first(data, key="train_1"):
    return next(record for record in data.records() if record.key == key)


def rewrite(path, **changes):
    found = {name: value for name, value in io.loadmat(path).items() if name[:2] != "__"}
    found.update(changes)
    io.savemat(path, {name: value for name, value in found.items() if value is not None})


def test_parts_groups_and_scale(tmp_path):
    make_consep(tmp_path)
    records = Consep.open(tmp_path, "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        ("test_1", "test_1", "test", 0.25),
        ("train_1", "train_1", "train", 0.25),
        ("train_2", "train_2", "train", 0.25),
    ]


@pytest.mark.parametrize(("inner", "count"), [(".", 3), ("CoNSeP", 3), ("CoNSeP/Train/Labels", 2)])
def test_roots_are_tolerant(tmp_path, inner, count):
    make_consep(tmp_path)
    assert len(Consep.open(tmp_path / inner, "").records()) == count


@pytest.mark.parametrize(
    ("variant", "classes"),
    [
        ("", [1, 2, 3, 3, 4, 4, 4]),
        ("paper4", [1, 2, 3, 3, 4, 4, 4]),
        ("raw7", [1, 2, 3, 4, 5, 6, 7]),
        ("binary", []),
    ],
)
def test_ids_lose_their_gaps_and_classes_follow_the_variant(tmp_path, variant, classes):
    data = Consep.open(make_consep(tmp_path), variant)
    labels = data.labels(first(data))
    assert labels.ids.dtype == np.int32
    assert np.unique(labels.ids).tolist() == list(range(8))
    assert labels.classes == dict(enumerate(classes, start=1))
    raw = io.loadmat(label_file(tmp_path / "CoNSeP"))["inst_map"]
    np.testing.assert_array_equal(labels.ids == 7, raw == 8)


def test_variants_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(UnknownName, match="raw7"):
        Consep.open(make_consep(tmp_path), "raw8")
    assert len(CONSEP.classes) == 4


def test_images_lose_their_alpha(tmp_path):
    data = Consep.open(make_consep(tmp_path), "")
    record = first(data)
    with Image.open(record.image) as stored:
        assert stored.mode == "RGBA"
        np.testing.assert_array_equal(data.image(record), np.asarray(stored)[..., :3])


def test_without_a_map_the_list_goes_by_sorted_ids(tmp_path):
    folder = make_consep(tmp_path)
    rewrite(label_file(folder), type_map=None)
    data = Consep.open(folder, "raw7")
    assert data.labels(first(data)).classes == {n: n for n in range(1, 8)}
    rewrite(label_file(folder), inst_type=np.ones((8, 1)))
    with pytest.raises(DataError, match="7 rows"):
        data.labels(first(data))


def test_labels_of_before_2020_are_read(tmp_path):
    folder = make_consep(tmp_path)
    data = Consep.open(folder, "raw7")
    before = data.labels(first(data))
    found = io.loadmat(label_file(folder))
    np.save(
        label_file(folder).with_suffix(".npy"), np.dstack([found["inst_map"], found["type_map"]])
    )
    label_file(folder).unlink()
    data = Consep.open(folder, "raw7")
    after = data.labels(first(data))
    np.testing.assert_array_equal(after.ids, before.ids)
    assert after.classes == before.classes


def test_pickled_labels_are_refused(tmp_path):
    folder = make_consep(tmp_path)
    path = label_file(folder).with_suffix(".npy")
    np.save(path, {"inst_map": np.ones((4, 4))}, allow_pickle=True)
    label_file(folder).unlink()
    data = Consep.open(folder, "")
    with pytest.raises(DataError, match="plain numbers") as caught:
        data.labels(first(data))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inst_map": np.full((128, 128), 0.5)}, "fractions"),
        ({"inst_map": np.full((128, 128), -1)}, "from -1"),
        ({"inst_map": np.full((128, 128), np.nan)}, "nan"),
        ({"inst_map": np.full((128, 128), 2.0**31)}, "2147483648"),
        ({"inst_map": np.ones((64, 128))}, "differ in size"),
        ({"inst_map": np.ones((64, 128)), "type_map": np.ones((64, 128))}, "64x128"),
        ({"inst_map": np.ones((2, 128, 128))}, "shape"),
        ({"inst_map": np.array(["a"])}, "type <U1"),
        ({"type_map": np.full((128, 128), 8)}, "class 8"),
        ({"inst_map": None}, "type_map"),
    ],
)
def test_bad_labels_are_refused_and_found(tmp_path, changes, reason):
    folder = make_consep(tmp_path)
    rewrite(label_file(folder), **changes)
    data = Consep.open(folder, "")
    with pytest.raises(DataError, match=reason) as caught:
        data.labels(first(data))
    assert str(label_file(folder)) in str(caught.value)
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(label_file(folder))]


def test_ids_beyond_16_bits_are_kept(tmp_path):
    folder = make_consep(tmp_path)
    found = io.loadmat(label_file(folder))["inst_map"]
    rewrite(label_file(folder), inst_map=np.where(found > 0, found * 100_000, 0))
    data = Consep.open(folder, "raw7")
    labels = data.labels(first(data))
    assert labels.classes == {n: n for n in range(1, 8)}
    np.testing.assert_array_equal(labels.ids == 7, found == 8)


@pytest.mark.parametrize("keep", [0, 100, 400])
def test_damaged_files_are_refused_by_name(tmp_path, keep):
    folder = make_consep(tmp_path)
    path = label_file(folder)
    path.write_bytes(path.read_bytes()[:keep])
    data = Consep.open(folder, "")
    with pytest.raises(DataError, match=r"train_1\.mat"):
        data.labels(first(data))


def test_verify_counts_and_tells_of_what_does_not_pair(tmp_path):
    folder = make_consep(tmp_path)
    sound = list(Consep.open(folder, "").verify())
    assert [finding.message for finding in sound] == [
        "2 of 27 train images are here",
        "1 of 14 test images are here",
    ]
    (folder / "Train" / "Images" / "train_2.png").unlink()
    label_file(folder, "test_1").unlink()
    found = {f.where: f.message for f in Consep.open(folder, "").verify() if f.level == "warning"}
    assert found == {
        str(label_file(folder, "train_2")): "has no image",
        str(folder / "Test" / "Images" / "test_1.png"): "has no labels",
    }


def test_nuclei_without_class_are_told(tmp_path):
    folder = make_consep(tmp_path)
    found = io.loadmat(label_file(folder))
    rewrite(label_file(folder), type_map=np.where(found["inst_map"] == 5, 0, found["type_map"]))
    data = Consep.open(folder, "")
    assert 4 not in data.labels(first(data)).classes
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert warned == {str(label_file(folder)): "1 objects have no class"}


def test_nothing_there_and_two_copies(tmp_path):
    with pytest.raises(DataError, match=r"train_1\.mat"):
        Consep.open(tmp_path, "")
    make_consep(tmp_path / "a")
    make_consep(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        Consep.open(tmp_path, "")


def test_labels_alone_are_told(tmp_path):
    folder = make_consep(tmp_path)
    (folder / "Test" / "Images" / "test_1.png").unlink()
    found = [f.where for f in Consep.open(folder, "").verify() if f.message == "has no image"]
    assert found == [str(label_file(folder, "test_1"))]
    for path in (folder / "Train" / "Images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no consep image"):
        Consep.open(folder, "")


def test_two_names_for_one_image_are_refused(tmp_path):
    folder = make_consep(tmp_path)
    image = folder / "Train" / "Images" / "train_1.png"
    image.with_suffix(".tif").write_bytes(image.read_bytes())
    with pytest.raises(DataError, match="same name"):
        Consep.open(folder, "")
