"""Whether two id maps of the same tissue hold as many nuclei, or the same ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histokit.metrics.scores import score


def count_error(output: NDArray[np.integer], reference: NDArray[np.integer]) -> float | None:
    """The difference of the numbers of objects over that of the reference; 0 is best.

    Args:
        output: id map [H W], 0 = background; ids may have gaps.
        reference: the same of the other image.

    None where the reference has no objects.
    """
    found, expected = (np.unique(ids[ids > 0]).size for ids in (output, reference))
    return abs(found - expected) / expected if expected else None


def kept_nuclei(output: NDArray[np.integer], source: NDArray[np.integer]) -> float | None:
    """2 TP / (2 TP + FP + FN) of the nuclei of a translation and of its source, which lie exactly
    on each other: nuclei lost and nuclei invented both lower it. A match has an IoU above one half.

    None where neither has any. Raises DataError where sizes differ.
    """
    return score(source, output).dq
