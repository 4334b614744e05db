from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from histokit.errors import ContractError
from histokit.postprocess.watershed import connected, watershed

quiet = settings(deadline=None)
ROWS, COLS = np.mgrid[:100, :140]
maps = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=24),
    elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)


def disc(row, col, radius):
    return (ROWS - row) ** 2 + (COLS - col) ** 2 <= radius**2


def ellipse(row, col, long, short, degrees):
    turn = np.deg2rad(degrees)
    u = (COLS - col) * np.cos(turn) + (ROWS - row) * np.sin(turn)
    v = (ROWS - row) * np.cos(turn) - (COLS - col) * np.sin(turn)
    return (u / long) ** 2 + (v / short) ** 2 <= 1


def eager(foreground, **options):
    """Splits at every bump."""
    return watershed(foreground, waist=1, smooth=0.5, min_distance=1, **options)


def probability(mask):
    return mask.astype(np.float32)


@quiet
@given(maps, st.sampled_from([watershed, eager, connected]), st.sampled_from([4, 8]))
def test_ids_have_no_gaps_and_scores_are_the_means(foreground, decode, connectivity):
    found = decode(foreground, min_area=3, connectivity=connectivity)
    assert found.ids.dtype == np.int32
    assert found.ids.shape == foreground.shape
    ids = np.unique(found.ids[found.ids > 0])
    np.testing.assert_array_equal(ids, np.arange(1, ids.size + 1))
    firsts = [np.flatnonzero(found.ids.ravel() == key)[0] for key in ids]
    assert firsts == sorted(firsts)
    assert list(found.scores) == list(ids)
    for key, score in found.scores.items():
        assert score == pytest.approx(foreground[found.ids == key].mean(), abs=1e-6)


@quiet
@given(maps, st.sampled_from([4, 8]))
def test_splitting_neither_adds_nor_loses_a_pixel(foreground, connectivity):
    parts = eager(foreground, min_area=3, connectivity=connectivity)
    whole = connected(foreground, min_area=3, connectivity=connectivity)
    np.testing.assert_array_equal(parts.ids > 0, whole.ids > 0)
    areas = np.bincount(parts.ids.ravel())[1:]
    assert (areas >= 3).all()
    for key in parts.scores:
        assert np.unique(whole.ids[parts.ids == key]).size == 1


@pytest.mark.parametrize("decode", [watershed, connected])
def test_nothing_in_nothing_out(decode):
    found = decode(np.zeros((7, 9)))
    assert not found.ids.any()
    assert found.scores == {}


@pytest.mark.parametrize("decode", [watershed, connected])
def test_a_full_image_is_one_object(decode):
    found = decode(np.full((30, 40), 0.75))
    assert (found.ids == 1).all()
    assert found.scores == {1: 0.75}


@quiet
@given(st.lists(st.integers(3, 11), min_size=12, max_size=12), st.integers(-2, 2))
def test_separate_discs_are_found_exactly(radii, shift):
    truth = np.zeros(ROWS.shape, np.int32)
    for place, radius in enumerate(radii):
        row, col = divmod(place, 4)
        truth[disc(18 + 32 * row + shift, 18 + 34 * col - shift, radius)] = place + 1
    found = watershed(probability(truth > 0)).ids
    pairs = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1)
    assert pairs.shape[1] == 13  # background and each disc have one partner


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90])
@pytest.mark.parametrize("distance", [14, 16, 18])
def test_overlapping_discs_are_two(angle, distance):
    turn = np.deg2rad(angle)
    down, right = distance * np.sin(turn), distance * np.cos(turn)
    both = disc(40, 50, 10) | disc(40 + down, 50 + right, 10)
    found = watershed(probability(both)).ids
    assert found.max() == 2
    assert found[40, 50] != found[round(40 + down), round(50 + right)]
    smaller = np.bincount(found.ravel())[1:].min()
    assert smaller > 0.4 * both.sum()


def test_a_chain_of_three_discs_is_three():
    mask = disc(50, 40, 9) | disc(50, 54, 9) | disc(50, 68, 9)
    assert watershed(probability(mask)).ids.max() == 3


@pytest.mark.parametrize("angle", range(0, 180, 15))
@pytest.mark.parametrize(("long", "short"), [(16, 4), (24, 6), (40, 10)])
def test_a_long_ellipse_is_one(long, short, angle):
    mask = ellipse(50, 70, long, short, angle)
    assert watershed(probability(mask)).ids.max() == 1


@quiet
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(0, 9))
def test_a_shifted_image_gives_shifted_objects(seed, down, right):
    rng = np.random.default_rng(seed)
    mask = np.zeros(ROWS.shape, bool)
    for _ in range(14):
        mask |= disc(*rng.uniform((22, 22), (66, 106)), rng.uniform(4, 10))
    moved = np.roll(mask, (down, right), (0, 1))
    found = np.roll(watershed(probability(mask)).ids, (down, right), (0, 1))
    np.testing.assert_array_equal(watershed(probability(moved)).ids, found)


def test_the_threshold_is_strict_and_holes_and_specks_are_cleaned():
    foreground = np.zeros((30, 40))
    foreground[5:20, 5:20] = 0.6
    foreground[10, 10] = 0.5
    foreground[25, 30:39] = 0.9
    found = watershed(foreground, threshold=0.5, min_area=10)
    assert found.ids.max() == 1
    assert found.ids[10, 10] == 1
    assert watershed(foreground, threshold=0.6).ids.max() == 0
    assert watershed(foreground, min_area=9).ids.max() == 2
    assert watershed(foreground, max_hole=0).ids[10, 10] == 0


@pytest.mark.parametrize("decode", [watershed, connected])
def test_the_lumen_of_a_gland_stays_open(decode):
    ring = disc(50, 70, 40) & ~disc(50, 70, 30)
    assert decode(probability(ring)).ids[50, 70] == 0
    assert decode(probability(ring), max_hole=None).ids[50, 70] > 0


@pytest.mark.parametrize("decode", [watershed, connected])
def test_corners_join_or_part(decode):
    foreground = np.zeros((12, 12))
    foreground[:6, :6] = foreground[6:, 6:] = 1
    assert decode(foreground).ids.max() == 2
    assert connected(foreground, connectivity=8).ids.max() == 1


@pytest.mark.parametrize("flipped", [False, True])
def test_objects_that_meet_by_a_corner_are_joined_like_any_others(flipped):
    foreground = np.zeros((20, 20))
    foreground[:10, :10] = foreground[10:, 10:] = 1
    foreground = foreground[:, ::-1] if flipped else foreground
    assert watershed(foreground, connectivity=8).ids.max() == 2
    assert watershed(foreground, connectivity=8, waist=0).ids.max() == 1


def test_objects_are_numbered_as_the_eye_reads():
    mask = disc(30, 30, 10) | disc(30, 44, 10) | disc(15, 90, 8) | disc(70, 60, 8)
    ids = watershed(probability(mask)).ids
    assert [ids[15, 90], ids[30, 30], ids[30, 44], ids[70, 60]] == [1, 2, 3, 4]


def test_no_part_smaller_than_the_least_area_is_split_off():
    mask = disc(40, 50, 10)
    mask[40, 61] = mask[39:42, 62:65] = True
    foreground = probability(mask)
    assert watershed(foreground, smooth=0, min_distance=2, min_area=5).ids.max() == 2
    assert watershed(foreground, smooth=0, min_distance=2, min_area=20).ids.max() == 1


def test_waist_is_the_dial_from_never_to_always():
    mask = probability(disc(40, 50, 10) | disc(40, 64, 10))
    assert watershed(mask, waist=0).ids.max() == 1
    assert watershed(mask, waist=1).ids.max() == 2


@pytest.mark.parametrize("decode", [watershed, connected])
@pytest.mark.parametrize("bad", [np.zeros((1, 4, 4)), np.full((4, 4), np.nan), np.zeros(4)])
def test_what_is_no_map_is_refused(decode, bad):
    with pytest.raises(ContractError, match="cannot be read"):
        decode(bad)


def test_half_precision_is_read():
    foreground = (disc(40, 50, 10) * 0.9).astype(np.float16)
    assert watershed(foreground).ids.max() == 1


def test_real_nuclei_that_touch_nobody_are_hardly_ever_cut(shared_data):
    from PIL import Image

    files = sorted((shared_data / "TNBC" / "TNBC_NucleiSegmentation").glob("GT_*/*.png"))
    masks = [np.asarray(Image.open(file).convert("L")) > 127 for file in files]
    whole = sum(connected(probability(mask)).ids.max() for mask in masks)
    parts = sum(watershed(probability(mask)).ids.max() for mask in masks)
    assert whole > 0
    assert whole <= parts <= 1.03 * whole
