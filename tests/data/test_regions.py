import numpy as np
import pytest
from PIL import Image

from histokit.data.regions import read_regions, region_findings
from histokit.errors import DataError
from histokit.interfaces.dataset import Record

SQUARE = np.zeros((20, 30), np.uint8)
SQUARE[2:8, 2:8] = SQUARE[8:12, 8:12] = 1
"""Two squares that touch by a corner."""


def record(tmp_path, *masks):
    Image.new("RGB", (30, 20)).save(tmp_path / "image.png")
    paths = tuple(tmp_path / f"mask{n}.png" for n in range(len(masks)))
    for path, mask in zip(paths, masks, strict=True):
        Image.fromarray(mask).save(path)
    return Record("x", "x", tmp_path / "image.png", paths)


@pytest.mark.parametrize("top", [1, 2, 127, 254, 255])
def test_two_values_are_regions_joined_by_corners(tmp_path, top):
    ids = read_regions(record(tmp_path, SQUARE * np.uint8(top)))
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, SQUARE)


def test_one_bit_and_empty_and_full_masks(tmp_path):
    np.testing.assert_array_equal(read_regions(record(tmp_path, SQUARE > 0)), SQUARE)
    assert not read_regions(record(tmp_path, SQUARE * 0)).any()
    assert (read_regions(record(tmp_path, SQUARE * 0 + 255)) == 1).all()


def test_blurred_edges_are_cut_at_half_and_told(tmp_path):
    mask = SQUARE * np.uint8(255)
    mask[2:8, 8], mask[2:8, 1] = 128, 127
    blurred = record(tmp_path, mask)
    np.testing.assert_array_equal(read_regions(blurred) > 0, mask > 127)
    assert [finding.message for finding in region_findings(blurred)] == [
        "4 values; cut at half of the highest"
    ]
    assert not list(region_findings(record(tmp_path, SQUARE)))


def test_several_masks_are_one(tmp_path):
    other = np.zeros_like(SQUARE)
    other[4:10, 6:10], other[15:, 25:] = 255, 255
    ids = read_regions(record(tmp_path, SQUARE * np.uint8(255), other))
    np.testing.assert_array_equal(ids > 0, (SQUARE > 0) | (other > 0))
    assert ids.max() == 2


def test_other_sizes_and_missing_masks_are_refused(tmp_path):
    with pytest.raises(DataError, match="30x20"):
        read_regions(record(tmp_path, SQUARE.T.copy()))
    with pytest.raises(DataError, match="has no labels"):
        read_regions(record(tmp_path))
