"""Seeded splits that never put one patient on two sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histokit.errors import DataError
from histokit.interfaces import Record

Split = dict[str, list[str]]
"""Keys of the records in ``train``, ``val`` and ``test``."""


def split_records(
    records: Sequence[Record], shares: tuple[float, float, float], seed: int
) -> Split:
    """The keys for training, validation and test, whole groups at a time.

    Records of an official validation or test part stay there, and then that share is not taken
    from the others. Groups are dealt in random order, each to the part that is furthest below its
    share, so that small sets come as near to the shares as whole groups allow, and no part that
    has a share stays empty while there are groups enough.

    Args:
        records: all images of a data set.
        shares: of training, validation and test; they add up to 1.
        seed: seed of the order.

    Raises DataError where there are fewer groups than parts with a share. A data set of official
    validation and test records alone has no training part.
    """
    split: Split = {"train": [], "val": [], "test": []}
    free = []
    for record in records:
        if record.split in ("val", "test"):
            split[record.split].append(record.key)
        else:
            free.append(record)
    if not free:
        return split
    wanted = {
        part: share
        for part, share in zip(split, shares, strict=True)
        if share > 0 and not split[part]
    }
    hint = "give another --split, such as 1,0,0 to train on everything"
    for part, keys in _dealt(free, wanted, seed, hint).items():
        split[part] += keys
    return split


def fold_records(
    records: Sequence[Record], shares: tuple[float, float, float], seed: int, fold: int, folds: int
) -> Split:
    """The keys for one round of cross-validation, whole groups at a time.

    Groups are dealt into `folds` parts of about the same size, official parts or not; over all
    rounds each record is tested once. The rest is dealt to training and validation in the ratio
    of their shares.

    Args:
        records: all images of a data set.
        shares: of training, validation and (not used) test.
        seed: seed of the order.
        fold: the part that is tested, from 0.
        folds: number of parts, at least 2.

    Raises DataError where there are fewer groups than parts.
    """
    hint = "give fewer --folds"
    parts = _dealt(records, {str(k): 1.0 for k in range(folds)}, seed, hint)
    test = set(parts[str(fold)])
    rest = [record for record in records if record.key not in test]
    wanted = {part: share for part, share in zip(("train", "val"), shares, strict=False) if share}
    both = _dealt(rest, wanted, seed + fold, hint)
    in_order = [record.key for record in records if record.key in test]
    return {"train": both["train"], "val": both.get("val", []), "test": in_order}


def _dealt(
    records: Sequence[Record], wanted: dict[str, float], seed: int, hint: str
) -> dict[str, list[str]]:
    """The keys of each part, in order. Raises DataError where there are too few groups."""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record.key)
    if len(groups) < len(wanted):
        raise DataError(
            "the data set cannot be split",
            expected=f"at least {len(wanted)} groups (patients) for {len(wanted)} parts",
            found=f"{len(groups)} groups in {len(records)} images",
            hint=hint,
        )
    chosen = _deal(groups, wanted, seed)
    parts: dict[str, list[str]] = {part: [] for part in wanted}
    for record in records:
        parts[chosen[record.group]].append(record.key)
    return parts


def _deal(groups: dict[str, list[str]], wanted: dict[str, float], seed: int) -> dict[str, str]:
    """The part of each group."""
    total = sum(len(keys) for keys in groups.values())
    scale = sum(wanted.values())
    room = {part: total * share / scale for part, share in wanted.items()}
    order = sorted(groups)
    np.random.default_rng(seed).shuffle(order)
    chosen: dict[str, str] = {}
    empty = list(wanted)
    for index, group in enumerate(order):
        must_fill = len(order) - index <= len(empty)
        part = empty[0] if must_fill else max(room, key=lambda name: room[name])
        chosen[group] = part
        room[part] -= len(groups[group])
        if part in empty:
            empty.remove(part)
    return chosen
