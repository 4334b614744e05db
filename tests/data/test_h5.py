from dataclasses import replace

import numpy as np
import pytest

from histokit.data.cards_classes import CONSEP
from histokit.data.cards_generic import H5
from histokit.data.class_names import class_names
from histokit.data.consep import Consep
from histokit.data.h5 import H5Store
from histokit.errors import DataError, UnknownName
from histokit.interfaces import Labels
from histokit.io.stores import About, Failure, Row, new_store
from histokit.testing.datasets_classes import make_consep

IMAGE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
IDS = np.zeros((6, 8), np.int32)
IDS[1:3, 1:3], IDS[4, 4] = 1, 2


def write(path, classes=("a", "b")):
    with new_store(path) as store:
        row = Row("x", "p1", "val", 0.25, True)
        store.add(row, IMAGE, Labels(IDS, {1: 2}))
        store.add(Row("y", "p2"), IMAGE[::-1], counterpart=IMAGE)
        store.leave_out(Failure("z", "torn"))
        store.finish(About("toys", "instances", classes))
    return path


def test_records_and_what_they_hold(tmp_path):
    path = write(tmp_path / "toys.h5")
    data = H5Store.open(path, "")
    first, second = data.records()
    assert (first.key, first.group, first.split, first.mpp) == ("x", "p1", "val", 0.25)
    assert (first.image, first.labels, second.labels) == (path, (path,), ())
    np.testing.assert_array_equal(data.image(first), IMAGE)
    labels = data.labels(first)
    np.testing.assert_array_equal(labels.ids, IDS)
    assert labels.classes == {1: 2}
    np.testing.assert_array_equal(data.counterpart(second), IMAGE)
    with pytest.raises(DataError, match="has no labels"):
        data.labels(second)
    with pytest.raises(DataError, match="no image 'other'"):
        data.image(replace(first, key="other"))


def test_findings_name_the_image(tmp_path):
    path = write(tmp_path / "toys.h5", classes=("a",))
    found = {f.where: (f.level, f.message) for f in H5Store.open(path, "").verify()}
    assert found["z"] == ("warning", "was left out of the import: torn")
    assert found[f"{path}[x]"][0] == "error"
    assert "class beyond" in found[f"{path}[x]"][1]
    assert found[f"{path}[y]"] == ("warning", "has no labels")


def test_files_name_their_classes_and_cards_do_for_others(tmp_path):
    data = H5Store.open(write(tmp_path / "toys.h5"), "")
    assert class_names(H5, "", data) == ("a", "b")
    consep = Consep.open(make_consep(tmp_path), "raw7")
    assert class_names(CONSEP, "raw7", consep) == CONSEP.class_names("raw7")


def test_a_folder_a_missing_file_and_a_variant(tmp_path):
    write(tmp_path / "toys.h5")
    with pytest.raises(DataError, match="is a folder") as caught:
        H5Store.open(tmp_path, "")
    assert "toys.h5" in str(caught.value)
    with pytest.raises(DataError, match=r"gone\.h5"):
        H5Store.open(tmp_path / "gone.h5", "")
    with pytest.raises(UnknownName):
        H5Store.open(tmp_path / "toys.h5", "x")
