"""The planner: known plans of nnU-Net, rules that always hold, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.errors import ConfigError
from histokit.nn.nnunet.plan import (
    LARGEST_WINDOW,
    REFERENCE_BATCH,
    REFERENCE_VALUES,
    Plan,
    features_of,
    levels_of,
    plan,
    require_fit,
    sizes_of,
    values_of,
)


@pytest.mark.parametrize(
    ("shape", "images", "expected"),
    [
        ((512, 512), 1000, Plan(512, 12, 8)),  # nnU-Net's reference: a batch of 12 at 512 pixels
        ((1000, 1000), 30, Plan(1024, 2, 9)),
        ((256, 256), 10, Plan(256, 2, 7)),  # 5 % of ten images are less than two
        ((256, 256), 1000, Plan(256, 49, 7)),
    ],
)
def test_known_plans(shape, images, expected):
    assert plan(*shape, images) == expected


def test_features_double_up_to_the_widest():
    assert features_of(8) == (32, 64, 128, 256, 512, 512, 512, 512)
    assert features_of(6, 8) == (8, 16, 32, 64, 128, 128)


@pytest.mark.parametrize(("side", "levels"), [(8, 2), (64, 5), (96, 5), (128, 6), (256, 7)])
def test_levels_leave_four_pixels(side, levels):
    assert levels_of(side) == levels


def test_values_by_hand():
    """Two levels at 8 pixels: 2 x 32 down, 2 x 64 at the bottom, 3 x 32 and the map up."""
    assert values_of(8, 3) == 64 * 64 + 128 * 16 + (96 + 3) * 64


@given(st.integers(8, 4000), st.integers(8, 4000), st.integers(1, 5000), st.floats(0.05, 80))
def test_every_plan_fits(height, width, images, gigabytes):
    found = plan(height, width, images, gigabytes=gigabytes)
    assert found.levels >= 2
    assert found.batch >= 2
    assert found.sizes.allows(found.side)
    assert found.side < min(height, width, LARGEST_WINDOW) + found.sizes.multiple_of
    assert require_fit(found.side) == found.levels
    budget = REFERENCE_VALUES * gigabytes / 8
    if found.side > 8:
        assert values_of(found.side) / REFERENCE_BATCH * 2 <= budget


@given(st.integers(1, 3000))
def test_what_is_refused_is_told_what_works(tile):
    try:
        levels = require_fit(tile)
    except ConfigError as error:
        better = int(error.hint.removeprefix("--tile "))
        assert better > tile
        assert require_fit(better) >= 2
    else:
        assert tile % 2 ** (levels - 1) == 0


def test_sizes_keep_two_pixels_at_the_bottom():
    sizes = sizes_of(7)
    assert (sizes.min, sizes.multiple_of) == (128, 64)
