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
    groups: dict[str, list[str]] = {}
    for record in free:
        groups.setdefault(record.group, []).append(record.key)
    if len(groups) < len(wanted):
        raise DataError(
            "the data set cannot be split",
            expected=f"at least {len(wanted)} groups (patients) for {', '.join(wanted)}",
            found=f"{len(groups)} groups in {len(free)} images",
            hint="give another --split, such as 1,0,0 to train on everything",
        )
    chosen = _deal(groups, wanted, seed)
    for record in free:
        split[chosen[record.group]].append(record.key)
    return split


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
