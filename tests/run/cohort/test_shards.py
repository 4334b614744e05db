"""Shards: every item in exactly one, and as even as can be."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.errors import UsageError
from histokit.run.cohort.item import Item
from histokit.run.cohort.shards import Shard, parse_shard


def items(names):
    return [Item(Path(f"{name}.png"), PurePath(name)) for name in names]


NAMES = st.lists(st.text("abcé/ 1", min_size=1).filter(lambda t: t.strip("/")), unique_by=PurePath)


@given(NAMES, st.integers(1, 9), st.randoms())
def test_the_shards_part_the_items_whatever_their_order(names, count, random):
    every = items(names)
    shuffled = random.sample(every, len(every))
    parts = [Shard(number, count).part(every) for number in range(1, count + 1)]
    again = [Shard(number, count).part(shuffled) for number in range(1, count + 1)]
    assert sorted(item.key for part in parts for item in part) == sorted(i.key for i in every)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    if count > 1:
        assert parts == again
    else:
        assert parts == [every]


def test_what_is_typed():
    assert parse_shard("") == Shard() == Shard(1, 1)
    assert parse_shard("2/8") == Shard(2, 8)
    assert str(parse_shard(" 8 / 8 ")) == "8/8"


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/0", "-1/4", "a/b", "1/2/3", "1.0/2", "/"])
def test_what_is_no_shard_is_told(text):
    with pytest.raises(UsageError, match="--shard") as error:
        parse_shard(text)
    assert "SLURM_ARRAY_TASK_ID" in error.value.hint
