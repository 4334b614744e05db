"""Splits keep patients whole, fill every part, and honour official tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histokit.data.split import fold_records, split_records
from histokit.errors import DataError
from histokit.interfaces import Record

SHARES = (0.8, 0.1, 0.1)


def _records(sizes, official=0):
    free = [Record(f"{g}_{k}", f"p{g}") for g, size in enumerate(sizes) for k in range(size)]
    return free + [Record(f"t{k}", f"t{k}", split="test") for k in range(official)]


@given(
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=20),
    seed=st.integers(0, 1000),
    official=st.integers(0, 3),
)
def test_every_image_once_and_no_patient_twice(sizes, seed, official):
    records = _records(sizes, official)
    split = split_records(records, SHARES, seed)
    assert sorted(k for part in split.values() for k in part) == sorted(r.key for r in records)
    of = {record.key: record.group for record in records}
    groups = [{of[key] for key in keys} for keys in split.values()]
    assert not (groups[0] & groups[1])
    assert not (groups[0] & groups[2])
    assert not (groups[1] & groups[2])
    assert all(groups)
    assert split == split_records(records, SHARES, seed)


def test_official_test_images_stay_test_and_nothing_joins_them():
    split = split_records(_records([1] * 10, official=4), SHARES, 0)
    assert split["test"] == ["t0", "t1", "t2", "t3"]
    assert len(split["train"]) == 9
    assert len(split["val"]) == 1


def test_shares_are_met_where_groups_allow():
    split = split_records(_records([1] * 100), SHARES, 1)
    assert [len(split[part]) for part in ("train", "val", "test")] == [80, 10, 10]


def test_seeds_differ():
    records = _records([1] * 30)
    assert split_records(records, SHARES, 0) != split_records(records, SHARES, 1)


def test_too_few_patients_is_told():
    with pytest.raises(DataError, match="at least 3 groups"):
        split_records(_records([5, 5]), SHARES, 0)
    assert split_records(_records([5, 5]), (1, 0, 0), 0)["test"] == []


def test_an_official_validation_part_stays():
    records = [*_records([1] * 10), *(Record(f"v{k}", f"v{k}", split="val") for k in range(2))]
    split = split_records(records, (0.5, 0.3, 0.2), 0)
    assert split["val"] == ["v0", "v1"]
    assert len(split["train"]) == 7
    assert len(split["test"]) == 3


@given(sizes=st.lists(st.integers(1, 9), min_size=5, max_size=12), seed=st.integers(0, 99))
def test_cross_validation_tests_every_image_once_and_shares_no_patient(sizes, seed):
    records = _records(sizes)
    of = {record.key: record.group for record in records}
    tested = []
    for fold in range(4):
        split = fold_records(records, (0.7, 0.1, 0.2), seed, fold, 4)
        parts = [{of[key] for key in keys} for keys in split.values()]
        assert sum(map(len, parts)) == len(sizes)
        assert set.union(*parts) == set(of.values())
        assert split["train"]
        tested += split["test"]
    assert sorted(tested) == sorted(of)


def test_more_folds_than_patients_are_told():
    with pytest.raises(DataError, match="cannot be split") as told:
        fold_records(_records([3, 3]), SHARES, 0, 0, 3)
    assert "--folds" in told.value.hint
