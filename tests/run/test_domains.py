"""Domains: splits that come back, one pixel size, labels that follow their images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from histokit.data.cards import FOLDER
from histokit.errors import DataError
from histokit.interfaces import Labels, Record
from histokit.run.domains import (
    Domain,
    at_mpp,
    open_domain,
    rescale_ids,
    rescale_image,
    resize_ids,
)


class Data:
    """Images of 40 x 60 whose mask is a rectangle, at the given pixel sizes."""

    def __init__(self, *sizes):
        self.found = [Record(f"{n}", f"{n}", mpp=mpp) for n, mpp in enumerate(sizes)]

    def records(self):
        return self.found

    def labels(self, record):
        ids = np.zeros((40, 60), np.int32)
        ids[8:24, 12:36] = 1
        ids[30:36, 40:58] = 2
        return Labels(ids, {1: 3, 2: 4})

    def image(self, record):
        return np.repeat((self.labels(record).ids == 1)[..., None] * np.uint8(200), 3, 2)


def _domain(*sizes, card=None):
    return Domain("folder:x", replace(FOLDER, mpp=card), Data(*sizes), {"train": ["1"]})


@pytest.fixture
def folder(tmp_path):
    for n in range(8):
        Image.fromarray(np.full((20, 20, 3), n * 20, np.uint8)).save(tmp_path / f"{n}.png")
    return tmp_path


def _open(folder, **how):
    return open_domain(f"folder:{folder}", shares=(0.5, 0.25, 0.25), **how)


def test_a_split_is_the_same_for_a_seed_and_comes_back_as_it_was(folder):
    first = _open(folder)
    assert {part: len(keys) for part, keys in first.split.items()} == {
        "train": 4, "val": 2, "test": 2,
    }  # fmt: skip
    assert _open(folder).split == first.split
    assert any(_open(folder, split_seed=seed).split != first.split for seed in range(1, 5))
    own = {"train": ["7"], "val": ["0", "3"], "test": []}
    again = _open(folder, split=own)
    assert again.split == own
    assert [record.key for record in again.part("val")] == ["0", "3"]
    assert len(again.part("all")) == 8


def test_lost_images_of_a_split_are_told(folder):
    split = _open(folder).split
    (folder / "3.png").unlink()
    with pytest.raises(DataError, match=r"1 of them missing") as error:
        _open(folder, split=split)
    assert "such as 3" in str(error.value)


def test_the_name_of_own_files_is_their_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert open_domain("folder:.", split={}).name == folder.name == _open(folder).name
    assert open_domain("synth-he@kidney").name == "synth-he@kidney"


def test_half_the_resolution_is_doubled_and_labels_follow():
    domain, line = at_mpp(_domain(0.5, 0.25), 0.25)
    coarse, fine = domain.part("all")
    image, labels = domain.image(coarse), domain.labels(coarse)
    assert (image.shape, labels.ids.shape) == ((80, 120, 3), (80, 120))
    assert labels.classes == {1: 3, 2: 4}
    bright, inside = image[..., 0] > 100, labels.ids == 1
    assert np.count_nonzero(bright ^ inside) <= 4
    assert np.count_nonzero(inside) == 4 * 16 * 24
    assert domain.image(fine).shape == (40, 60, 3)
    assert line == "folder: 1 of 2 images resampled to 0.25 µm/px (factor 2 to 2)".replace(
        "folder", domain.name
    )


def test_sizes_that_nearly_agree_are_left_alone():
    domain, line = at_mpp(_domain(0.24, 0.26), 0.25)
    assert line == ""
    assert all(domain.scale(record) == 1 for record in domain.part("all"))


def test_unknown_and_resampled_are_both_told():
    domain, line = at_mpp(_domain(None, 0.5), 0.25)
    assert "size of 1 of 2 images unknown, taken as 0.25" in line
    assert "1 of 2 images resampled" in line
    assert domain.scale(domain.part("all")[0]) == 1
    assert at_mpp(_domain(None), None)[1] == ""


def test_the_card_says_what_a_record_does_not():
    domain, line = at_mpp(_domain(None, 0.25, card=0.5), 0.25)
    assert [domain.scale(record) for record in domain.part("all")] == [2, 1]
    assert "unknown" not in line


ids = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
                 elements=st.integers(0, 2**31 - 1))  # fmt: skip


@given(ids, st.floats(0.1, 4))
def test_rescaling_mixes_no_ids(array, factor):
    scaled = rescale_ids(array, factor)
    assert scaled.dtype == np.int32
    assert set(np.unique(scaled)) <= set(np.unique(array))
    if factor >= 1:
        assert set(np.unique(scaled)) == set(np.unique(array))


@given(ids, st.integers(1, 4))
def test_a_whole_factor_there_and_back_is_the_same(array, factor):
    there = rescale_ids(array, float(factor))
    assert np.array_equal(resize_ids(there, array.shape), array)


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_a_pixel_stays_a_pixel(factor):
    tiny = np.full((1, 1, 3), 77, np.uint8)
    assert (rescale_image(tiny, factor) == 77).all()


@pytest.mark.parametrize("factor", [0.5, 0.37, 1.7])
def test_a_mask_stays_one_at_another_size(factor):
    mask = np.zeros((40, 60, 1), np.uint8)
    mask[10:30, 15:45] = 255
    resized = rescale_image(mask, factor)
    assert set(np.unique(resized)) == {0, 255}
    assert resized.mean() == pytest.approx(mask.mean(), rel=0.1)
    assert min(rescale_ids(np.ones((1, 1), np.int32), factor).shape) >= 1
