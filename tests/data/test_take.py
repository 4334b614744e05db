"""Images of a member are taken by seed, nested, and leave the other members alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit.data.take import LEFT_OUT, take_images
from histokit.errors import DataError

SPLIT = {
    "train": [*(f"old/{n}" for n in range(5)), *(f"new/{n}" for n in range(6))],
    "val": ["old/5", "new/6", "new/7"],
    "test": ["old/6", "new/8"],
}


def of(split, part, member="new"):
    return {key for key in split[part] if key.startswith(f"{member}/")}


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_only_the_member_changes(number, seed):
    found = take_images(SPLIT, "new", number, seed)
    assert len(of(found, "train")) == number
    assert of(found, "train") <= of(SPLIT, "train") | of(SPLIT, "val")
    assert found["val"] == ["old/5"]
    assert found["test"] == SPLIT["test"]
    assert [key for key in found["train"] if key.startswith("old/")] == SPLIT["train"][:5]
    assert sorted(key for part in found.values() for key in part) == sorted(
        key for part in SPLIT.values() for key in part
    )
    assert len(found[LEFT_OUT]) == 8 - number


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_smaller_number_is_part_of_a_larger(seed):
    chains = [of(take_images(SPLIT, "new", number, seed), "train") for number in range(1, 9)]
    assert all(few < more for few, more in pairwise(chains))


def test_the_seed_chooses_and_the_order_of_the_split_does_not():
    shuffled = {part: keys[::-1] for part, keys in SPLIT.items()}
    chosen = [of(take_images(SPLIT, "new", 3, seed), "train") for seed in range(8)]
    again = [of(take_images(shuffled, "new", 3, seed), "train") for seed in range(8)]
    assert chosen == again
    assert len({frozenset(one) for one in chosen}) > 1


def test_more_than_there_are_is_told():
    with pytest.raises(DataError, match="at most 8"):
        take_images(SPLIT, "new", 9, 0)
