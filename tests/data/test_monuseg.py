from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.data.imagescope import Outlines, paint, read_mpp, read_outlines
from histokit.data.monuseg import MoNuSeg
from histokit.errors import DataError
from histokit.testing.datasets import BOW_TIE, make_monuseg

TRAIN = "MoNuSeg 2018 Training Data"
A7 = "TCGA-A7-A13E-01Z-00-DX1"


def first(data: MoNuSeg, key: str = A7):
    return next(record for record in data.records() if record.key == key)


def annotation(root: Path) -> Path:
    return root / TRAIN / "Annotations" / f"{A7}.xml"


def test_parts_patients_and_scale(tmp_path):
    records = MoNuSeg.open(make_monuseg(tmp_path), "").records()
    assert [(record.group, record.split, record.mpp) for record in records] == [
        ("TCGA-2Z-A9J9", "test", None),
        ("TCGA-A7-A13E", "train", 0.2527),
        ("TCGA-XS-A8TJ", "train", 0.2527),
    ]


def test_the_classic_variant_leaves_out_later_patients(tmp_path):
    records = MoNuSeg.open(make_monuseg(tmp_path), "classic30").records()
    assert [record.group for record in records] == ["TCGA-2Z-A9J9", "TCGA-A7-A13E"]


@pytest.mark.parametrize(("inner", "count"), [(".", 3), (TRAIN, 2), (f"{TRAIN}/Annotations", 2)])
def test_roots_are_tolerant(tmp_path, inner, count):
    make_monuseg(tmp_path)
    assert len(MoNuSeg.open(tmp_path / inner, "").records()) == count


def test_renamed_folders_are_understood_and_the_part_is_known_by_patient(tmp_path):
    make_monuseg(tmp_path)
    (tmp_path / TRAIN / "Tissue Images").rename(tmp_path / TRAIN / "tissue_images")
    (tmp_path / "MoNuSegTestData").rename(tmp_path / "part2")
    records = MoNuSeg.open(tmp_path, "").records()
    assert [record.split for record in records] == ["test", "train", "train"]


def test_regions_become_five_objects_the_first_keeps_the_overlap(tmp_path):
    data = MoNuSeg.open(make_monuseg(tmp_path), "")
    for record in data.records():
        ids = data.labels(record).ids
        assert ids.dtype == np.int32
        assert np.unique(ids).tolist() == [0, 1, 2, 3, 4, 5]
        assert ids.shape == data.image(record).shape[:2]
        areas = np.bincount(ids.ravel())[1:]
        assert abs(areas[0] - 200) <= 20
        assert areas[1:].tolist() == [400, 300, 18 * 30, 12 * 20]
        assert ids[25, 65] == 2
        assert ids[35, 75] == 3


def test_a_pixel_belongs_to_the_region_that_covers_its_centre():
    square = np.array([(2, 1), (5, 1), (5, 3), (2, 3)], float)
    expected = np.zeros((6, 8), int)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(paint(Outlines((square,), 0), (6, 8)), expected)


def test_a_ring_drawn_in_one_stroke_has_a_hole():
    outer = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]
    inner = [(3, 3), (3, 7), (7, 7), (7, 3), (3, 3)]
    painted = paint(Outlines((np.array(outer + inner, float),), 0), (10, 10))
    assert painted.sum() == 100 - 16


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-20, 60, width=32), st.floats(-20, 60, width=32)), min_size=3),
        max_size=4,
    )
)
def test_any_rings_can_be_painted(rings):
    ids = paint(Outlines(tuple(np.array(ring) for ring in rings), 0), (32, 40))
    assert ids.shape == (32, 40)
    assert 0 <= ids.min() <= ids.max() <= len(rings)


def test_verify_tells_of_short_regions_and_missing_scales(tmp_path):
    findings = list(MoNuSeg.open(make_monuseg(tmp_path), "").verify())
    messages = [finding.message for finding in findings]
    assert messages.count("1 regions with fewer than 3 vertices are left out") == 3
    assert messages.count("does not say the micrometres a pixel") == 1
    assert "2 of 37 train images are here" in messages
    assert not [finding for finding in findings if finding.level == "error"]


def test_verify_tells_of_regions_without_a_pixel_and_of_orphans(tmp_path):
    make_monuseg(tmp_path)
    text = annotation(tmp_path).read_text().replace('X="140.75"', 'X="340"')
    annotation(tmp_path).write_text(text.replace('X="110.25"', 'X="310"'))
    other = tmp_path / TRAIN / "Annotations" / "TCGA-ZZ-ZZZZ-01.xml"
    other.write_text(text)
    data = MoNuSeg.open(tmp_path, "")
    assert data.labels(first(data)).ids.max() == 4
    warned = {f.where: f.message for f in data.verify() if f.level == "warning"}
    assert "1 regions have no pixel" in warned[str(annotation(tmp_path))]
    assert warned[str(other)] == "has no image"


def test_images_without_annotation_are_legal(tmp_path):
    make_monuseg(tmp_path)
    annotation(tmp_path).unlink()
    data = MoNuSeg.open(tmp_path, "")
    assert first(data).labels == ()
    with pytest.raises(DataError, match="has no labels"):
        data.labels(first(data))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><Annotations/>", "document type"),
        ("<Annotations><Region>", "no element found"),
        ("<Annotations><Region><Vertex X='a' Y='1'/></Region></Annotations>", "bad vertex"),
        ("<Annotations><Region><Vertex Y='1'/></Region></Annotations>", "bad vertex"),
        ("<Annotations><Region><Vertex X='nan' Y='1'/></Region></Annotations>", "far outside"),
        ("<Annotations><Region><Vertex X='1e300' Y='1'/></Region></Annotations>", "far outside"),
        ("", "no element found"),
    ],
)
def test_bad_xml_is_refused_by_name(tmp_path, text, reason):
    path = tmp_path / "a.xml"
    for encoding in ("utf-8", "utf-16"):
        path.write_text(text, encoding=encoding)
        with pytest.raises(DataError, match=reason if text else "cannot read") as caught:
            read_outlines(path)
        assert str(path) in str(caught.value)


def test_bad_xml_is_an_error_in_verify(tmp_path):
    make_monuseg(tmp_path)
    data = MoNuSeg.open(tmp_path, "")
    annotation(tmp_path).write_text("<Annotations><Region>")
    errors = [finding.where for finding in data.verify() if finding.level == "error"]
    assert errors == [str(annotation(tmp_path))]


@pytest.mark.parametrize(
    ("value", "mpp"), [("0.25", 0.25), ("352.8", None), ("", None), ("x", None), ("nan", None)]
)
def test_absurd_scales_count_as_unknown(tmp_path, value, mpp):
    path = tmp_path / "a.xml"
    path.write_text(f'<Annotations MicronsPerPixel="{value}"><Annotation/></Annotations>')
    assert read_mpp(path) == mpp


def test_entities_are_refused_when_only_the_scale_is_read(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "1">]><Annotations MicronsPerPixel="&b;"/>')
    with pytest.raises(DataError, match="entity"):
        read_mpp(path)


def test_two_copies_of_an_image_are_refused(tmp_path):
    make_monuseg(tmp_path / "a")
    make_monuseg(tmp_path / "b")
    with pytest.raises(DataError, match="twice"):
        MoNuSeg.open(tmp_path, "")


def test_the_bow_tie_has_two_halves():
    ids = paint(Outlines((np.array(BOW_TIE, float),), 0), (40, 40))
    assert ids[12, 11] == 1
    assert ids[20, 12] == 0 or ids[12, 20] == 0


def test_real_images(shared_data):
    data = MoNuSeg.open(shared_data / "MoNuSeg", "")
    records = data.records()
    assert len(records) == len({record.group for record in records}) == 9
    assert {record.split for record in records} == {"train"}
    unknown = [record.group for record in records if record.mpp is None]
    assert unknown == ["TCGA-NH-A8F7"]
    counts = [int(data.labels(record).ids.max()) for record in records]
    assert sum(counts) == 3343
    assert (min(counts), sorted(counts)[4], max(counts)) == (294, 359, 472)


def test_real_nuclei_are_darker_than_their_surroundings(shared_data):
    data = MoNuSeg.open(shared_data / "MoNuSeg", "")
    record = data.records()[0]
    grey, ids = data.image(record).mean(axis=2), data.labels(record).ids
    assert grey[ids == 0].mean() - grey[ids > 0].mean() > 20
    assert grey[ids.T == 0].mean() - grey[ids.T > 0].mean() < 20
