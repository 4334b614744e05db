import numpy as np
import pytest
from PIL import Image

from histokit.data.pix2pix import Pix2Pix
from histokit.errors import DataError
from histokit.testing.datasets_pairs import make_pix2pix


@pytest.mark.parametrize("inner", [".", "data", "data/test"])
def test_parts_and_tolerant_roots(tmp_path, inner):
    make_pix2pix(tmp_path / "data")
    records = Pix2Pix.open(tmp_path / inner, "").records()
    found = [(record.key, record.split) for record in records]
    assert found == [("test-1", "test"), ("train-1", "train"), ("train-2", "train")]


@pytest.mark.parametrize("variant", ["a", "b"])
def test_the_left_half_is_a_and_the_right_half_b(tmp_path, variant):
    data = Pix2Pix.open(make_pix2pix(tmp_path), variant)
    record = data.records()[0]
    whole = np.array(Image.open(record.image))
    left, right = (
        (data.image, data.counterpart) if variant == "a" else (data.counterpart, data.image)
    )
    np.testing.assert_array_equal(np.hstack([left(record), right(record)]), whole)
    assert left(record).shape == (64, 64, 3)


def test_an_empty_part_is_refused(tmp_path):
    make_pix2pix(tmp_path)
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="no image in") as caught:
        Pix2Pix.open(tmp_path, "")
    assert str(tmp_path / "val") in str(caught.value)
