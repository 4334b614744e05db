import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from histokit.io.rle import decode_rle
from histokit.testing.datasets_generic import run_lengths


def packed(counts):
    """Counts as COCO packs them, bit by bit."""
    text = ""
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        while True:
            bits, rest = rest & 31, rest >> 5
            done = rest == (-1 if bits & 16 else 0)
            text += chr(48 + bits + (0 if done else 32))
            if done:
                break
    return text


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_runs_come_back_listed_and_packed(mask):
    counts = run_lengths(mask)
    for written in (counts, packed(counts)):
        found = decode_rle({"size": list(mask.shape), "counts": written}, mask.shape)
        np.testing.assert_array_equal(found, mask)


def test_long_runs_are_packed_in_several_characters():
    mask = np.zeros((300, 200), bool)
    mask[10:290, 7] = mask[:, 100:180] = True
    counts = run_lengths(mask)
    found = decode_rle({"size": [300, 200], "counts": packed(counts)}, (300, 200))
    np.testing.assert_array_equal(found, mask)


def test_runs_go_down_the_columns_and_begin_with_background():
    found = decode_rle({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3))
    assert found.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"size": [3, 2], "counts": [6]}, "size"),
        ({"counts": [6]}, "size"),
        ({"size": [2, 3], "counts": [5]}, "of 5 pixels"),
        ({"size": [2, 3], "counts": [8, -2]}, "whole numbers"),
        ({"size": [2, 3], "counts": [1.5, 4.5]}, "whole numbers"),
        ({"size": [2, 3], "counts": {}}, "whole numbers"),
        ({"size": [2, 3], "counts": "P"}, "within a number"),
        ({"size": [2, 3], "counts": " "}, "packed"),
    ],
)
def test_wrong_runs_are_told(value, told):
    with pytest.raises(ValueError, match=told):
        decode_rle(value, (2, 3))
