"""Regions drawn as binary masks: lesions, plaques, vague areas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit.data.checks import image_path, label_paths, require_same_size
from histokit.data.masks import components, levels
from histokit.errors import DataError
from histokit.interfaces.dataset import Finding, Record
from histokit.io.images import image_size, read_mask


def read_regions(record: Record) -> NDArray[np.int32]:
    """The 8-connected regions of all masks of an image together, int32 [H W], numbered 1..N.

    A pixel counts where a mask is above half of its highest value, so 0/1, 0/254, 0/255 and
    blurred edges all work; where masks overlap or touch, their regions are one.
    Raises DataError with the path.
    """
    covered = np.zeros(image_size(image_path(record)), bool)
    for path in label_paths(record):
        covered |= _region(record, path)
    return components(covered)


def region_findings(record: Record) -> Iterator[Finding]:
    """Masks of more than two values; those that cannot be read are told by the shared checks."""
    for path in record.labels:
        try:
            count = len(levels(read_mask(path)))
        except DataError:
            return
        if count > 2:
            text = f"{count} values; cut at half of the highest"
            yield Finding("warning", str(path), text)


def _region(record: Record, path: Path) -> NDArray[np.bool_]:
    mask = read_mask(path)
    require_same_size(record, path, mask.shape)
    return mask > mask.max(initial=0) // 2
