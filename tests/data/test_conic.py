import numpy as np
import pytest

from histokit.data.cards_classes import CONIC
from histokit.data.conic import Conic, count_middle
from histokit.data.split import split_records
from histokit.errors import DataError, UnknownName
from histokit.interfaces import Labels
from histokit.testing.datasets_classes import make_conic


def change(path, edit):
    array = np.load(path)
    edit(array)
    np.save(path, array)


def test_patches_groups_and_scale(tmp_path):
    records = Conic.open(make_conic(tmp_path), "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        ("consep_1-0000", "consep_1", None, 0.5),
        ("consep_1-0001", "consep_1", None, 0.5),
        ("dpath_12-0000", "dpath_12", None, 0.5),
        ("glas_3-0007", "glas_3", None, 0.5),
    ]


def test_nuclei_lose_their_gaps_and_have_classes(tmp_path):
    data = Conic.open(make_conic(tmp_path), "")
    labels = data.labels(data.records()[0])
    assert labels.ids.dtype == np.int32
    assert labels.classes == {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 2}
    raw = np.load(tmp_path / "labels.npy")[0, ..., 0]
    np.testing.assert_array_equal(labels.ids == 7, raw == 40)
    assert data.labels(data.records()[3]).classes == {}
    assert len(CONIC.classes) == 6
    np.testing.assert_array_equal(
        data.image(data.records()[2]), np.load(tmp_path / "images.npy")[2]
    )


def test_a_sound_set_yields_notes_only(tmp_path):
    findings = list(Conic.open(make_conic(tmp_path / "a"), "").verify())
    assert [finding.message for finding in findings] == [
        "4 of 4981 images are here",
        "holds no object",
    ]
    assert findings[1].where == f"{tmp_path / 'a' / 'labels.npy'}[3]"


def test_counts_are_of_what_touches_the_middle():
    ids = np.zeros((256, 256), np.int32)
    ids[15, 30], ids[16, 100], ids[239, 239], ids[240, 50] = 1, 2, 3, 4
    assert count_middle(Labels(ids, {1: 1, 2: 2, 3: 2, 4: 3})) == [0, 2, 0, 0, 0, 0]


def test_counts_that_differ_are_told(tmp_path):
    make_conic(tmp_path)
    change(tmp_path / "labels.npy", lambda array: array[1, ..., 1].__imul__(0))
    warned = {f.where: f.message for f in Conic.open(tmp_path, "").verify() if f.level == "warning"}
    assert warned == {
        str(tmp_path / "counts.csv"): "does not fit the labels of 1 patches, first of row 1",
        f"{tmp_path / 'labels.npy'}[1]": "1 objects have no class",
    }


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "neutrophil,epithelial\n", "\xff"])
def test_bad_counts_are_told_and_do_no_harm(tmp_path, text):
    make_conic(tmp_path)
    (tmp_path / "counts.csv").write_text(text, encoding="latin-1")
    warned = [f.where for f in Conic.open(tmp_path, "").verify() if f.level == "warning"]
    assert warned == [str(tmp_path / "counts.csv")]


def test_without_patch_info_nothing_can_leak(tmp_path):
    make_conic(tmp_path)
    (tmp_path / "patch_info.csv").unlink()
    data = Conic.open(tmp_path, "")
    assert [record.key for record in data.records()] == ["0", "1", "2", "3"]
    with pytest.raises(DataError, match="cannot be split"):
        split_records(data.records(), (0.8, 0.1, 0.1), 0)
    assert any("source regions" in finding.message for finding in data.verify())


def test_files_of_other_lengths_are_refused(tmp_path):
    make_conic(tmp_path)
    (tmp_path / "patch_info.csv").write_text("patch_info\na-1\n")
    with pytest.raises(DataError, match="4 patches"):
        Conic.open(tmp_path, "")
    make_conic(tmp_path)
    np.save(tmp_path / "labels.npy", np.load(tmp_path / "labels.npy")[:2])
    with pytest.raises(DataError, match=r"labels\.npy does not fit"):
        Conic.open(tmp_path, "")


def test_classes_beyond_the_table_are_refused_with_the_row(tmp_path):
    make_conic(tmp_path)
    change(tmp_path / "labels.npy", lambda array: array[1, 0, 0].__setitem__(1, 7))
    data = Conic.open(tmp_path, "")
    with pytest.raises(DataError, match="class 7"):
        data.labels(data.records()[1])
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [f"{tmp_path / 'labels.npy'}[1]"]


def test_images_alone_are_enough_to_predict(tmp_path):
    make_conic(tmp_path)
    (tmp_path / "labels.npy").unlink()
    data = Conic.open(tmp_path, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(data.records()[0])
    assert any("no image has labels" in finding.message for finding in data.verify())


def test_nothing_there_a_variant_and_two_copies(tmp_path):
    with pytest.raises(DataError, match=r"patch_info\.csv"):
        Conic.open(tmp_path, "")
    make_conic(tmp_path / "a")
    with pytest.raises(UnknownName, match="no variant"):
        Conic.open(tmp_path, "x")
    make_conic(tmp_path / "b")
    with pytest.raises(DataError, match="several copies"):
        Conic.open(tmp_path, "")
