from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit.errors import ContractError
from histokit.interfaces.spec import Sizes
from histokit.tiling.grid import cut, grid
from histokit.tiling.stitch import Stitcher, stitch


def centre(values, shrink):
    """What a network without padding gives for [C H W]."""
    low = shrink // 2
    side = values.shape[-1] - shrink
    return values[:, low : low + side, low : low + side]


@st.composite
def layouts(draw):
    sizes = Sizes(
        min=draw(st.integers(1, 30)),
        multiple_of=draw(st.sampled_from([1, 4, 16])),
        shrink=draw(st.sampled_from([0, 3, 8, 40])),
    )
    window = draw(st.integers(1, 60))
    output = sizes.fit(max(window, sizes.shrink + 1)) - sizes.shrink
    overlap = draw(st.integers(0, output - 1))
    return grid(draw(st.integers(1, 50)), draw(st.integers(1, 50)), window, overlap, sizes)


@settings(deadline=None)
@given(layouts(), st.integers(0, 2**32 - 1))
def test_cut_then_stitch_is_the_image(layout, seed):
    image = np.random.default_rng(seed).normal(size=(2, layout.height, layout.width))
    image = image.astype(np.float32)
    outputs = (
        centre(cut(image, layout, index, channels="first"), layout.shrink)
        for index in range(len(layout))
    )
    found = stitch(outputs, layout)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, image, rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(layouts(), st.floats(-1e4, 1e4, width=32))
def test_a_constant_stays_constant(layout, level):
    tile = np.full((1, layout.output, layout.output), level, np.float32)
    found = stitch([tile] * len(layout), layout)
    np.testing.assert_allclose(found, level, rtol=3e-6, atol=1e-30)


@settings(deadline=None)
@given(layouts(), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(layout, random):
    rng = np.random.default_rng(1)
    outputs = rng.normal(size=(len(layout), 1, layout.output, layout.output))
    shuffled = list(range(len(layout)))
    random.shuffle(shuffled)
    stitcher = Stitcher(layout, 1)
    for index in shuffled:
        stitcher.add(index, outputs[index])
    np.testing.assert_allclose(stitcher.result(), stitch(outputs, layout), rtol=1e-5, atol=1e-6)


def test_the_middle_of_a_window_outweighs_the_rim_of_another():
    layout = grid(16, 24, 16, 8)
    found = stitch([np.zeros((1, 16, 16)), np.ones((1, 16, 16))], layout)[0]
    assert (found[:, :8] == 0).all()
    assert (found[:, 16:] == 1).all()
    blend = found[0, 8:16]
    assert (np.diff(blend) > 0).all()
    np.testing.assert_allclose(blend + blend[::-1], 1, atol=1e-6)
    assert 0 < blend[0] < 0.05


def test_one_window_comes_back_as_it_was():
    layout = grid(20, 30, 64, 0)
    values = np.random.default_rng(0).random((3, 30, 30), np.float32)
    np.testing.assert_array_equal(stitch([values], layout), values[:, 5:25])


def test_mistakes_are_told():
    layout = grid(16, 16, 8, 0)
    stitcher = Stitcher(layout, 1)
    with pytest.raises(ContractError, match="wrong size"):
        stitcher.add(0, np.zeros((1, 7, 8)))
    stitcher.add(0, np.zeros((1, 8, 8)))
    with pytest.raises(ContractError, match="twice"):
        stitcher.add(0, np.zeros((1, 8, 8)))
    with pytest.raises(ContractError, match="3 missing"):
        stitcher.result()
    with pytest.raises(ContractError, match="not in the grid"):
        stitch([np.zeros((1, 8, 8))] * 5, layout)


def test_the_gaussian_is_that_of_nnunet():
    layout = grid(20, 48, 32, 16)
    stitcher = Stitcher(layout, 1, "gaussian")
    for index in range(len(layout)):
        stitcher.add(index, np.full((1, layout.output, layout.output), float(index)))
    share = stitcher.result()[0, 0, 16:32]  # the second window's weight where two overlap
    at = np.arange(16, 32) + 0.5
    one, other = (np.exp(-(((at - middle) / 4) ** 2) / 2) for middle in (16, 32))
    assert len(layout) == 2
    np.testing.assert_allclose(share, other / (one + other), atol=1e-5)


@pytest.mark.parametrize("blend", ["taper", "gaussian"])
def test_what_windows_agree_on_comes_back_in_either_blend(blend):
    layout = grid(70, 55, 24, 8)
    stitcher = Stitcher(layout, 2, blend)
    for index in range(len(layout)):
        stitcher.add(index, np.full((2, layout.output, layout.output), 0.3))
    np.testing.assert_allclose(stitcher.result(), 0.3, atol=1e-6)
