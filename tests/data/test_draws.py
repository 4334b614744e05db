"""Processes that train together share the draws: every window once, every image once a round."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from histokit.data.draws import FeedSettings, Steps
from histokit.data.pool import Pool
from histokit.interfaces import Record

SETTINGS = FeedSettings(batch=1, side=8, augment="none", seed=3)


class Numbers:
    """In place of a pool: gives the number of the window that is drawn."""

    def key(self, number, seed):
        del seed
        return number


def _pool(images):
    return Pool("p", [Record(f"{n}", f"{n}") for n in range(images)], lambda record: None)


def _of_step(pools, settings, step, world):
    """What each process draws at a step."""
    ranks = [replace(settings, rank=rank, world=world) for rank in range(world)]
    return [Steps(pools, own).keys(step) for own in ranks]


few = st.integers(1, 5)


@given(world=few, batch=few, steps=few, first=st.integers(0, 9))
def test_no_window_is_drawn_twice_and_none_is_left_out(world, batch, steps, first):
    settings = replace(SETTINGS, batch=batch)
    drawn = [
        number
        for step in range(first, first + steps)
        for own in _of_step([Numbers()], settings, step, world)
        for number in own
    ]
    share = world * batch
    assert drawn == list(range(first * share, (first + steps) * share))


@given(world=few, batch=few, images=st.integers(1, 23), seed=st.integers(0, 9))
def test_every_image_comes_once_a_round_over_all_processes(world, batch, images, seed):
    """Also where the images do not come out even with what a step draws."""
    settings = replace(SETTINGS, batch=batch, seed=seed)
    share = world * batch
    steps = -(-2 * images // share)
    pool = _pool(images)
    drawn = [
        key for step in range(steps) for own in _of_step([pool], settings, step, world)
        for key in own
    ]  # fmt: skip
    for begin in range(0, len(drawn) - images + 1, images):
        assert set(Counter(drawn[begin : begin + images]).values()) == {1}
        assert len(set(drawn[begin : begin + images])) == images
    if share <= images:
        assert all(len(set(drawn[n : n + share])) == share for n in range(0, images - share, share))


@given(world=few, batch=few, images=st.integers(1, 23), step=st.integers(0, 9))
def test_processes_draw_what_one_would_with_the_batch_of_all(world, batch, images, step):
    pools = [_pool(images)]
    each = _of_step(pools, replace(SETTINGS, batch=batch), step, world)
    alone = Steps(pools, replace(SETTINGS, batch=batch * world)).keys(step)
    assert [key for own in each for key in own] == alone
