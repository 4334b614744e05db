"""Run-length encoded masks of COCO files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode_rle(segmentation: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask, bool of `shape` (rows, columns), of ``{"size": [h, w], "counts": …}``.

    The counts are the lengths of runs down the columns, of background and object in turn, as a
    list, or packed into a string. Raises ValueError for another size, for counts that do not fill
    it, and for what is neither.
    """
    size = segmentation.get("size")
    if not isinstance(size, list) or size != list(shape):
        raise ValueError(f"run lengths for the size {size}, the image has {list(shape)}")
    counts = segmentation.get("counts")
    runs = list(_unpacked(counts)) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(run, int) and run >= 0 for run in runs):
        raise ValueError("run lengths that are no whole numbers from 0")
    if sum(runs) != shape[0] * shape[1]:
        raise ValueError(f"run lengths of {sum(runs)} pixels, the image has {shape[0] * shape[1]}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(shape, order="F")


def _unpacked(text: str) -> Iterator[int]:
    """The counts in a string.

    A character holds, above 48, five bits of a number, lowest first, and in its sixth whether
    more follow; the highest bit is the sign. From the fourth number on the differences to the
    last but one are stored.
    """
    before: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} in packed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        if len(before) > 2:
            value += before[-2]
        before.append(value)
        yield value
        value = shift = 0
    if shift:
        raise ValueError("packed run lengths that end within a number")
