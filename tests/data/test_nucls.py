import numpy as np
import pytest

from histokit.data.nucls import NuCls
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import make_nucls

FIRST = "TCGA-A1-A0SK-DX1_xmin1"


def table(root):
    return root / "csv" / f"{FIRST}.csv"


def test_groups_are_patients(tmp_path):
    records = NuCls.open(make_nucls(tmp_path), "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        (FIRST, "TCGA-A1-A0SK", None, 0.2),
        ("TCGA-A1-A0SK-DX1_xmin20", "TCGA-A1-A0SK", None, 0.2),
        ("TCGA-B2-B0XY-DX1_xmin3", "TCGA-B2-B0XY", None, 0.2),
    ]


@pytest.mark.parametrize("inner", [".", "set", "set/csv", "set/mask"])
def test_roots_are_tolerant(tmp_path, inner):
    make_nucls(tmp_path / "set")
    assert len(NuCls.open(tmp_path / inner, "").records()) == 3
    with pytest.raises(UnknownName, match="main"):
        NuCls.open(tmp_path, "raw")


@pytest.mark.parametrize(
    ("variant", "classes", "areas"),
    [
        ("", {1: 1, 2: 3}, [400, 300, 100]),
        ("super", {1: 1, 2: 3}, [400, 300, 100]),
        ("main", {1: 1, 2: 5}, [400, 300, 100]),
        ("boxes", {1: 1, 2: 3, 4: 2}, [400, 300, 100, 400]),
    ],
)
def test_outlines_and_boxes_become_nuclei_with_classes(tmp_path, variant, classes, areas):
    data = NuCls.open(make_nucls(tmp_path), variant)
    labels = data.labels(data.records()[0])
    assert labels.classes == classes
    assert np.bincount(labels.ids.ravel())[1:].tolist() == areas
    assert labels.ids[25, 25] == 1
    assert labels.ids[10, 55] == 3
    assert data.image(data.records()[0]).shape == (*labels.ids.shape, 3)


def test_verify_tells_of_boxes_and_counts(tmp_path):
    findings = list(NuCls.open(make_nucls(tmp_path), "").verify())
    messages = [finding.message for finding in findings]
    assert messages.count("1 nuclei have a box only and are left out") == 3
    assert messages.count("1 outlines with fewer than 3 points are left out") == 3
    assert "3 of 1744 images are here" in messages
    assert len(messages) == 7
    boxes = [f.message for f in NuCls.open(tmp_path, "boxes").verify()]
    assert not any("box only" in message for message in boxes)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"10,30,30,10,10"', '"10,30,30,10"', "shorter|longer"),
        ('"10,30,30,10,10"', '"10,30,x,10,10"', "could not convert"),
        ('"10,30,30,10,10"', '"10,30,nan,10,10"', "far outside"),
        ("coords_x", "x", "columns"),
        ("0,tumor,", "0,tumor,tumor,", "12 values in row 2"),
    ],
)
def test_bad_tables_are_refused_and_found(tmp_path, old, new, reason):
    make_nucls(tmp_path)
    data = NuCls.open(tmp_path, "")
    table(tmp_path).write_text(table(tmp_path).read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=reason) as caught:
        data.labels(data.records()[0])
    assert str(table(tmp_path)) in str(caught.value)
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(table(tmp_path))]


def test_unknown_classes_and_what_does_not_pair_are_told(tmp_path):
    make_nucls(tmp_path)
    table(tmp_path).write_text(table(tmp_path).read_text().replace("sTIL", "unicorn"))
    table(tmp_path).with_stem("alone").write_text("")
    (tmp_path / "csv" / "TCGA-B2-B0XY-DX1_xmin3.csv").unlink()
    data = NuCls.open(tmp_path, "")
    found = [(f.where, f.message) for f in data.verify() if f.level == "warning"]
    assert (str(table(tmp_path).with_stem("alone")), "has no image") in found
    assert (str(data.records()[2].image), "has no labels") in found
    assert any("'unicorn' is not known" in message for _, message in found)


def test_nothing_there_and_two_copies(tmp_path):
    with pytest.raises(DataError, match="rgb"):
        NuCls.open(tmp_path, "")
    make_nucls(tmp_path / "a")
    make_nucls(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        NuCls.open(tmp_path, "")
