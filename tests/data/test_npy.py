import numpy as np
import pytest

from histokit.data.npy import Npy
from histokit.errors import DataError
from histokit.testing.datasets_generic import make_npy


class Trap:
    """Fails the test where it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def trapped(path):
    array = np.empty(1, object)
    array[0] = Trap()
    if path.suffix == ".npz":
        np.savez(path, images=array)
    else:
        np.save(path, array)


@pytest.mark.parametrize("form", ["stack", "archive", "patches"])
def test_objects_and_classes_of_every_form(tmp_path, form):
    data = Npy.open(make_npy(tmp_path, form), "")
    assert [r.key for r in data.records()] == (["a", "b"] if form == "patches" else ["0", "1"])
    names = ("tumour", "stroma") if form == "stack" else ("class 1", "class 2")
    assert data.class_names == names
    for record in data.records():
        labels = data.labels(record)
        assert labels.ids.dtype == np.int32
        assert labels.classes == {1: 1, 2: 2, 3: 1}
        assert (labels.ids[12, 12], labels.ids[40, 20], labels.ids[30, 50]) == (1, 2, 3)
        assert data.image(record)[12, 12, 0] < 120 < data.image(record)[0, 0, 0]
    assert not list(data.verify())


def test_the_file_itself_can_be_named(tmp_path):
    make_npy(tmp_path, "archive")
    assert len(Npy.open(tmp_path / "data.npz", "").records()) == 2
    make_npy(tmp_path, "patches")
    assert [r.key for r in Npy.open(tmp_path / "a.npy", "").records()] == ["a"]


def test_binary_maps_and_float_images(tmp_path):
    data = Npy.open(make_npy(tmp_path, "binary"), "")
    assert data.labels(data.records()[0]).ids.max() == 3
    assert data.image(data.records()[0])[0, 0, 0] > 200


def test_small_numbers_of_8_bits_are_asked_about(tmp_path):
    make_npy(tmp_path, "binary")
    masks = np.load(tmp_path / "masks.npy")
    masks[:, :5, :5], masks[:, :5, 10:12] = 2, 2
    np.save(tmp_path / "masks.npy", masks)
    data = Npy.open(tmp_path, "")
    with pytest.raises(DataError, match="npy@instances"):
        data.labels(data.records()[0])
    for variant, count in (("instances", 2), ("binary", 5)):
        data = Npy.open(tmp_path, variant)
        assert data.labels(data.records()[0]).ids.max() == count


def test_archives_named_after_parts(tmp_path):
    for name in ("train", "test"):
        make_npy(tmp_path, "archive")
        (tmp_path / "data.npz").rename(tmp_path / f"{name}.npz")
    assert [(r.key, r.split) for r in Npy.open(tmp_path, "").records()] == [
        ("test/0", "test"),
        ("test/1", "test"),
        ("train/0", "train"),
        ("train/1", "train"),
    ]


def test_images_alone_have_no_labels(tmp_path):
    make_npy(tmp_path, "stack")
    (tmp_path / "labels.npy").unlink()
    data = Npy.open(tmp_path, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])


@pytest.mark.parametrize("name", ["images.npy", "data.npz"])
def test_pickled_arrays_are_refused_unread(tmp_path, name):
    trapped(tmp_path / name)
    with pytest.raises(DataError, match="Python objects are never read"):
        Npy.open(tmp_path, "")


def test_one_bad_patch_does_not_spoil_the_others(tmp_path):
    make_npy(tmp_path, "patches")
    trapped(tmp_path / "b.npy")
    (tmp_path / "c.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:500])
    data = Npy.open(tmp_path, "")
    assert [r.key for r in data.records()] == ["a", "b", "c"]
    assert data.labels(data.records()[0]).ids.max() == 3
    for record in data.records()[1:]:
        with pytest.raises(DataError, match="cannot read"):
            data.image(record)
    assert sum(f.level == "error" for f in data.verify()) == 4


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("images", (2, 64, 64, 4), r"\[N H W 3\]"),
        ("images", (3, 64, 64, 3), "labels"),
        ("labels", (2, 64, 60), "labels"),
        ("classes", (2, 64, 64), "classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, shape, told):
    make_npy(tmp_path, "stack")
    np.save(tmp_path / f"{name}.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError, match="has another form") as caught:
        Npy.open(tmp_path, "")
    assert told.replace("\\", "") in str(caught.value)


def test_a_class_beyond_the_table_and_odd_ids_are_told(tmp_path):
    make_npy(tmp_path, "stack")
    (tmp_path / "classes.txt").write_text("tumour\n\n")
    data = Npy.open(tmp_path, "")
    with pytest.raises(DataError, match="class beyond"):
        data.labels(data.records()[0])
    np.save(tmp_path / "labels.npy", np.full((2, 64, 64, 2), 0.5))
    with pytest.raises(DataError, match="fractions"):
        data.labels(data.records()[1])


def test_nothing_there_and_several_folders(tmp_path):
    with pytest.raises(DataError, match="no npy data"):
        Npy.open(tmp_path, "")
    make_npy(tmp_path / "a")
    make_npy(tmp_path / "b")
    with pytest.raises(DataError, match="several folders"):
        Npy.open(tmp_path, "")
