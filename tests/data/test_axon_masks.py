import numpy as np
import pytest
from PIL import Image

from histokit.data.axon_masks import mask_findings, objects, read_tissue, role_of
from histokit.errors import DataError
from histokit.interfaces.dataset import Record


def record(folder, **masks):
    Image.new("L", (6, 4)).save(folder / "x.png")
    paths = []
    for role, values in masks.items():
        path = folder / f"x_seg-{role}.png"
        array = np.zeros((4, 6), np.uint8)
        array[0, : len(values)] = values
        Image.fromarray(array).save(path)
        paths.append(path)
    return Record("x", "x", folder / "x.png", tuple(paths))


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("a_SEM_seg-axonmyelin-manual.png", "axonmyelin"),
        ("a_SEM_seg-axon-manual.png", "axon"),
        ("ADS_seg-myelin.png", "myelin"),
        ("ADS_seg.png", "axonmyelin"),
        ("a_seg-uaxon-manual.png", "uaxon"),
        ("a.png", ""),
    ],
)
def test_roles_by_name(tmp_path, name, role):
    assert role_of(tmp_path / name) == role


def test_grey_levels_are_cut_at_64_and_191(tmp_path):
    tissue = read_tissue(record(tmp_path, axonmyelin=(64, 65, 128, 191, 192, 255)))
    assert tissue[0].tolist() == [0, 2, 2, 2, 1, 1]


@pytest.mark.parametrize("values", [(1, 2), (64,)])
def test_class_numbers_are_not_grey_levels(tmp_path, values):
    with pytest.raises(DataError, match="grey levels"):
        read_tissue(record(tmp_path, axonmyelin=values))


@pytest.mark.parametrize("top", [1, 255])
def test_two_binary_masks_are_one_and_the_axon_keeps_what_both_claim(tmp_path, top):
    one = record(tmp_path, axon=(top, top, 0), myelin=(0, top, top))
    assert read_tissue(one)[0].tolist() == [1, 1, 2, 0, 0, 0]
    (finding,) = mask_findings(one)
    assert "says myelin otherwise" in finding.message
    assert "1 pixels" in finding.message


def test_masks_that_disagree_are_found(tmp_path):
    one = record(tmp_path, axonmyelin=(255, 127), axon=(255, 255), myelin=(0, 255))
    (finding,) = mask_findings(one)
    assert finding.where.endswith("seg-axon.png")
    assert "in 1 pixels" in finding.message


def test_half_of_the_labels_is_refused(tmp_path):
    with pytest.raises(DataError, match="half of its labels") as caught:
        read_tissue(record(tmp_path, axon=(255,)))
    assert "x_seg-axon.png" in str(caught.value)


def test_empty_masks_hold_nothing(tmp_path):
    for masks in ({"axonmyelin": ()}, {"axon": (), "myelin": ()}):
        labels = objects(read_tissue(record(tmp_path, **masks)), "both")
        assert (labels.ids.max(), labels.classes) == (0, {})


def test_a_mask_of_another_size_is_refused(tmp_path):
    one = record(tmp_path, axonmyelin=(255,))
    Image.new("L", (5, 5)).save(one.labels[0])
    with pytest.raises(DataError, match="5x5"):
        read_tissue(one)


def test_a_mask_that_is_not_needed_is_checked_too(tmp_path):
    one = record(tmp_path, axonmyelin=(255,), axon=(255,))
    one.labels[1].write_bytes(b"")
    (finding,) = mask_findings(one)
    assert (finding.level, finding.where) == ("error", str(one.labels[1]))
