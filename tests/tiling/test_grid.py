from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit.errors import ConfigError, ContractError, DataError
from histokit.interfaces.spec import Sizes
from histokit.tiling.grid import cut, grid


@st.composite
def layouts(draw):
    multiple = draw(st.sampled_from([1, 2, 8, 16]))
    sizes = Sizes(
        min=draw(st.integers(1, 40)),
        multiple_of=multiple,
        shrink=draw(st.sampled_from([0, 1, 4, 10, 45])),
        offset=draw(st.integers(0, multiple - 1)),
    )
    height, width = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    window = draw(st.integers(1, 70))
    output = sizes.fit(max(window, sizes.shrink + 1)) - sizes.shrink
    overlap = draw(st.integers(0, output - 1))
    return grid(height, width, window, overlap, sizes), sizes, window, overlap


@settings(deadline=None)
@given(layouts())
def test_windows_are_legal_and_every_pixel_is_covered(case):
    layout, sizes, _, _ = case
    covered = np.zeros((layout.height, layout.width), int)
    assert sizes.allows(layout.side)
    for window in layout:
        assert len(window.rows) == len(window.cols) == layout.side
        covered[window.place] += 1
        assert covered[window.place].size > 0
        for place, inner in zip(window.place, window.inner, strict=True):
            assert place.stop - place.start == inner.stop - inner.start
            assert 0 <= inner.start < inner.stop <= layout.output
    assert covered.min() >= 1


@settings(deadline=None)
@given(layouts())
def test_neighbours_overlap_at_least_as_wanted(case):
    layout, _, _, overlap = case
    for starts in (layout.tops, layout.lefts):
        assert all(a < b <= a + layout.output - overlap for a, b in pairwise(starts))


@settings(deadline=None)
@given(layouts())
def test_output_is_the_centre_of_the_input(case):
    layout, sizes, _, _ = case
    for window in layout:
        start = window.place[0].start - window.inner[0].start
        assert start - window.rows.start == sizes.shrink // 2


@settings(deadline=None)
@given(layouts(), st.sampled_from(["first", "last"]))
def test_cut_shows_the_image_mirrored_about_its_border(case, channels):
    layout, _, _, _ = case
    axes = ((0, 0), (layout.side,) * 2, (layout.side,) * 2)
    image = np.random.default_rng(0).random((2, layout.height, layout.width))
    mirrored = np.pad(image, axes, mode="reflect")
    for index, window in enumerate(layout):
        top, left = window.rows.start + layout.side, window.cols.start + layout.side
        wanted = mirrored[:, top : top + layout.side, left : left + layout.side]
        if channels == "last":
            found = cut(np.moveaxis(image, 0, -1), layout, index)
            np.testing.assert_array_equal(np.moveaxis(found, -1, 0), wanted)
        else:
            np.testing.assert_array_equal(cut(image, layout, index, channels="first"), wanted)


def test_an_image_within_one_window_takes_one_of_the_smallest_legal_size():
    layout = grid(100, 61, 512, 64, Sizes(min=32, multiple_of=16))
    assert len(layout) == 1
    assert layout.side == 112


def test_the_wanted_window_is_raised_to_a_legal_one():
    layout = grid(1000, 1000, 250, 0, Sizes(multiple_of=16, offset=12, shrink=184))
    assert (layout.side, layout.output) == (252, 68)


@pytest.mark.parametrize("window", [1, 300])
def test_one_pixel_fills_a_window(window):
    layout = grid(1, 1, window, 0, Sizes(min=16, shrink=4))
    image = np.full((1, 1, 3), 7, np.uint8)
    found = cut(image, layout, 0)
    assert found.shape == (16, 16, 3)
    assert found.dtype == np.uint8
    assert (found == 7).all()


def test_a_cut_is_a_copy():
    image = np.zeros((8, 8), np.float32)
    cut(image, grid(8, 8, 4, 0), 0)[:] = 1
    assert not image.any()


def test_no_more_windows_than_needed():
    assert len(grid(1000, 1000, 256, 0)) == 16
    assert len(grid(1024, 512, 256, 0)) == 8


def test_mistakes_are_told():
    with pytest.raises(DataError, match="empty"):
        grid(0, 5, 4, 0)
    with pytest.raises(ConfigError, match="overlap"):
        grid(100, 100, 16, 16)
    with pytest.raises(ConfigError, match="overlap"):
        grid(100, 100, 16, -1)
    with pytest.raises(ContractError, match="does not belong"):
        cut(np.zeros((5, 6, 3)), grid(6, 5, 4, 0), 0)
    with pytest.raises(IndexError):
        grid(8, 8, 4, 0)[4]
