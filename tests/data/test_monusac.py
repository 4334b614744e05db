import numpy as np
import pytest

from histokit.data.monusac import MoNuSac
from histokit.errors import DataError, UnknownName
from histokit.testing.datasets_classes import box, make_monusac, write_classes

TRAIN = "MoNuSAC_images_and_annotations"
TEST = "MoNuSAC Testing Data and Annotations"
BOTH = "TCGA-A2-A0ES-01Z-00-DX1"


def annotation(root):
    return root / TRAIN / BOTH / f"{BOTH}_1.xml"


def first(data, key=f"{BOTH}_1"):
    return next(record for record in data.records() if record.key == key)


def test_parts_patients_and_scale(tmp_path):
    records = MoNuSac.open(make_monusac(tmp_path), "").records()
    assert [(r.key, r.group, r.split, r.mpp) for r in records] == [
        ("TCGA-2Z-A9JG-01Z-00-DX1_3", "TCGA-2Z-A9JG", "test", 0.252),
        (f"{BOTH}_1", "TCGA-A2-A0ES", "train", 0.252),
        (f"{BOTH}_2", "TCGA-A2-A0ES", "test", 0.252),
    ]


@pytest.mark.parametrize(("inner", "count"), [(".", 3), (TRAIN, 1), (f"{TEST}/{BOTH}", 2)])
def test_roots_are_tolerant(tmp_path, inner, count):
    make_monusac(tmp_path)
    assert len(MoNuSac.open(tmp_path / inner, "").records()) == count


def test_nuclei_have_the_class_of_their_annotation(tmp_path):
    data = MoNuSac.open(make_monusac(tmp_path), "")
    for record in data.records():
        labels = data.labels(record)
        assert labels.classes == {1: 1, 2: 2, 3: 2}
        assert np.bincount(labels.ids.ravel())[1:].tolist() == [400, 300, 100]
        assert labels.ids[25, 25] == 1
        assert labels.ids[35, 35] == 2
        assert labels.ids[10, 55] == 3
        assert data.image(record).shape == (64, 80, 3)


def test_a_slide_stands_in_for_a_missing_tiff(tmp_path):
    data = MoNuSac.open(make_monusac(tmp_path), "")
    record = first(data, "TCGA-2Z-A9JG-01Z-00-DX1_3")
    assert record.image.suffix == ".svs"
    image = data.image(record).astype(float).mean(axis=2)
    assert image[40:, 40:].mean() - image[12:28, 12:28].mean() > 50


def test_ambiguous_regions_are_no_nuclei_and_are_told(tmp_path):
    data = MoNuSac.open(make_monusac(tmp_path), "")
    assert data.labels(first(data, f"{BOTH}_2")).ids[50, 70] == 0
    findings = list(data.verify())
    messages = [finding.message for finding in findings]
    assert messages.count("1 ambiguous regions are left out") == 2
    assert messages.count("1 regions with fewer than 3 vertices are left out") == 3
    assert "1 of 209 train images are here" in messages
    assert "2 of 85 test images are here" in messages
    leaks = [finding.where for finding in findings if "not independent" in finding.message]
    assert leaks == ["TCGA-A2-A0ES"]
    assert not [finding for finding in findings if finding.level == "error"]


def test_unknown_classes_are_told_and_their_nuclei_have_none(tmp_path):
    make_monusac(tmp_path)
    text = annotation(tmp_path).read_text()
    annotation(tmp_path).write_text(text.replace("LYMPHOCYTE", "Unicorn"))
    data = MoNuSac.open(tmp_path, "")
    assert data.labels(first(data)).classes == {1: 1}
    assert any("'Unicorn' is not known" in finding.message for finding in data.verify())


def test_the_name_of_the_annotation_serves_where_it_has_no_attribute(tmp_path):
    make_monusac(tmp_path)
    text = (
        annotation(tmp_path)
        .read_text()
        .replace('<Attribute Name="LYMPHOCYTE" Id="0" Value=""/>', "")
    )
    annotation(tmp_path).write_text(text.replace('Id="2" Name=""', 'Id="2" Name="macrophage"'))
    data = MoNuSac.open(tmp_path, "")
    assert data.labels(first(data)).classes == {1: 1, 2: 3, 3: 3}


def test_covered_nuclei_do_not_shift_the_classes(tmp_path):
    make_monusac(tmp_path)
    rings = {
        "Neutrophil": [box(10, 10, 30, 30)],
        "Macrophage": [box(12, 12, 20, 20)],
        "Epithelial": [box(40, 10, 50, 20)],
    }
    write_classes(annotation(tmp_path), rings)
    data = MoNuSac.open(tmp_path, "")
    assert data.labels(first(data)).classes == {1: 4, 2: 1}
    assert any("1 regions have no pixel" in finding.message for finding in data.verify())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<Annotations><Region>", "no element found"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><Annotations/>", "document type"),
        ("<Annotations><Region><Vertex X='1'/></Region></Annotations>", "bad vertex"),
        (
            "<A><Region><Vertex X='1' Y='1'/><Vertex X='9' Y='1'/><Vertex X='9' Y='9'/>"
            "</Region></A>",
            "0 in annotations",
        ),
    ],
)
def test_bad_annotations_are_refused_and_found(tmp_path, text, reason):
    make_monusac(tmp_path)
    data = MoNuSac.open(tmp_path, "")
    annotation(tmp_path).write_text(text)
    with pytest.raises(DataError, match=reason):
        data.labels(first(data))
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(annotation(tmp_path))]


def test_half_a_download_opens_and_is_told(tmp_path):
    make_monusac(tmp_path)
    annotation(tmp_path).unlink()
    lost = tmp_path / TEST / BOTH / f"{BOTH}_2.tif"
    lost.unlink()
    data = MoNuSac.open(tmp_path, "")
    with pytest.raises(DataError, match="has no labels"):
        data.labels(first(data))
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert warned[str(lost.with_suffix(".xml"))] == "has no image"
    assert warned[str(first(data).image)] == "has no labels"


def test_a_name_that_both_parts_use_is_kept_apart(tmp_path):
    make_monusac(tmp_path)
    for suffix in (".tif", ".xml"):
        path = tmp_path / TEST / BOTH / f"{BOTH}_2{suffix}"
        path.rename(path.with_stem(f"{BOTH}_1"))
    keys = [record.key for record in MoNuSac.open(tmp_path, "").records()]
    assert sorted(keys)[:2] == ["TCGA-2Z-A9JG-01Z-00-DX1_3", f"{BOTH}_1"]
    assert len(keys) == len(set(keys)) == 3


def test_nothing_there_a_variant_and_two_copies(tmp_path):
    with pytest.raises(DataError, match="MoNuSAC_images_and_annotations"):
        MoNuSac.open(tmp_path, "")
    make_monusac(tmp_path / "a")
    with pytest.raises(UnknownName, match="no variant"):
        MoNuSac.open(tmp_path, "x")
    make_monusac(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        MoNuSac.open(tmp_path, "")
