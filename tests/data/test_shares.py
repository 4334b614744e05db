"""A pool with shares gives as many windows of few images as of many."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from histokit.data.pool import Pool
from histokit.interfaces import Record

MANY, FEW = 9, 2
RECORDS = [Record(f"{'old' if n < MANY else 'new'}/{n}", "g") for n in range(MANY + FEW)]
SHARES = [list(range(MANY)), list(range(MANY, MANY + FEW))]


def drawn(count, seed=0, shares=SHARES):
    def image(record):
        return np.full((4, 4, 3), int(record.key[4:]), np.uint8)

    pool = Pool("source:old+new", RECORDS, image, shares=shares)
    windows = [pool.draw(number, 4, seed) for number in range(count)]
    assert all(w.image[0, 0, 0] == int(w.key.rpartition("/")[2]) for w in windows)
    return [window.key.removeprefix("source:old+new/") for window in windows]


@pytest.mark.parametrize("batch", [2, 4, 6])
def test_each_batch_has_equal_shares(batch):
    keys = drawn(30 * batch)
    for start in range(0, len(keys), batch):
        members = Counter(key[:3] for key in keys[start : start + batch])
        assert members == {"old": batch // 2, "new": batch // 2}


def test_an_odd_batch_is_off_by_one_and_evens_out():
    keys = drawn(300)
    odd = [sum(key[:3] == "old" for key in keys[at : at + 3]) for at in range(0, 300, 3)]
    assert set(odd) == {1, 2}
    assert sum(odd) == 150


def test_every_image_of_a_share_comes_once_a_round():
    keys = drawn(2 * MANY)
    assert sorted(key for key in keys if key[:3] == "old") == sorted(f"old/{n}" for n in SHARES[0])
    assert Counter(key for key in keys[: 4 * FEW] if key[:3] == "new") == {
        f"new/{n}": 2 for n in SHARES[1]
    }


def test_places_within_a_batch_are_no_habit_of_a_member():
    last = Counter(key[:3] for key in drawn(400)[3::4])
    assert min(last["old"], last["new"]) > 30


def test_draws_depend_on_the_seed_alone():
    assert drawn(20) == drawn(20)
    assert drawn(20) != drawn(20, seed=1)
    assert drawn(40, shares=()) == drawn(40, shares=[list(range(MANY + FEW))])
