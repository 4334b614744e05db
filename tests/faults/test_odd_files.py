"""The set of odd files through the one reader: the right array or a refusal, never another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults.odd_files import OddFile, odd_files
from histokit.errors import DataError
from histokit.io.images import read_image, read_mask

FILES = odd_files()
LOSSY_STEP = {"cmyk.jpg": 1}
"""Grey levels by which another sound way of rounding a conversion may differ."""


def verdict(read: Callable[[Path], Any], path: Path, expected: Any) -> str:
    """What is wrong with what a reader gave; empty where it is the array or a named refusal."""
    try:
        found = read(path)
    except DataError as error:
        if str(path) not in str(error):
            return f"{path.name}: refused without its path: {error}"
        return "" if expected is None else f"{path.name}: refused: {error}"
    if expected is None:
        return f"{path.name}: read, {found.dtype} {found.shape}"
    if found.shape != expected.shape:
        return f"{path.name}: {found.shape} instead of {expected.shape}"
    off = np.abs(found.astype(np.int64) - expected.astype(np.int64)).max()
    return "" if off <= LOSSY_STEP.get(path.name, 0) else f"{path.name}: off by {off}"


def test_the_set_is_that_of_the_comparison():
    assert len({file.name for file in FILES}) == 31


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_silent_wrong_array(tmp_path: Path, file: OddFile):
    path = tmp_path / file.name
    path.write_bytes(file.data)
    assert verdict(read_image, path, file.image) == ""
    assert verdict(read_mask, path, file.mask) == ""
