"""The pool of labelled windows."""

from __future__ import annotations

import torch

from histokit.interfaces import Labelled
from histokit_syndiff_pl.pool import Pool


def window(number, classes=True):
    ids = torch.full((1, 4, 4), number, dtype=torch.int32)
    images = torch.full((1, 1, 4, 4), number / 255)
    return Labelled(images, ids, ids.long() % 3 if classes else None, (str(number),))


def filled(count, size=3, classes=True):
    pool = Pool(size)
    for number in range(1, count + 1):
        pool.add(window(number, classes))
    return pool


def keys(pool):
    return sorted(window["key"] for window in pool.state_dict()["windows"])


def test_the_oldest_go_first():
    assert [keys(filled(count)) for count in (2, 3, 4, 8)] == [
        ["1", "2"],
        ["1", "2", "3"],
        ["2", "3", "4"],
        ["6", "7", "8"],
    ]


def test_windows_keep_their_truth():
    batch = filled(3).draw(3)
    assert sorted(batch.keys) == ["1", "2", "3"]
    for place, key in enumerate(batch.keys):
        one = window(int(key))
        assert torch.equal(batch.images[place], one.images[0])
        assert torch.equal(batch.ids[place], one.ids[0])
        assert torch.equal(batch.classes[place], one.classes[0])
    assert (batch.images.dtype, batch.ids.dtype, batch.classes.dtype) == (
        torch.float32, torch.int32, torch.int64,
    )  # fmt: skip
    assert filled(2, classes=False).draw(1).classes is None


def test_a_batch_may_be_larger_than_the_pool():
    assert sorted(filled(2).draw(5).keys) in ([*"11122"], [*"11222"])


def test_some_windows_are_sure_to_hold_an_object():
    pool = Pool(8)
    for number in (0, 0, 0, 0, 0, 0, 0, 5):
        pool.add(window(number))
    torch.manual_seed(0)
    assert all("5" in pool.draw(3, 0.33).keys for _ in range(20))
    assert not all("5" in pool.draw(3).keys for _ in range(20))
    empty = Pool(2)
    empty.add(window(0))
    assert empty.draw(2, 0.5).keys == ("0", "0")


def test_a_restored_pool_goes_on_alike():
    pool, other = filled(4), Pool(3)
    other.load_state_dict(pool.state_dict())
    for one in (pool, other):
        one.add(window(9))
    assert keys(pool) == keys(other) == ["3", "4", "9"]
    drawn = []
    for one in (pool, other):
        torch.manual_seed(2)
        drawn.append(one.draw(2).keys)
    assert drawn[0] == drawn[1]
