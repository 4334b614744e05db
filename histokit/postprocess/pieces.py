"""Objects from a map of classes: every connected piece of a class is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.postprocess.clean import Connectivity, components, remove_small


def class_pieces(
    kinds: NDArray[np.integer[Any]], *, min_area: int = 1, connectivity: Connectivity = 4
) -> Instances:
    """The connected pieces of each class, numbered class by class.

    Unlike `watershed`, this leaves touching objects of one class together and parts touching
    objects of two classes, as tissue such as axon and myelin asks for.

    Args:
        kinds: [H W]; 0 = background, 1..K the class of each pixel.
        min_area: smaller pieces, in pixels, are dropped.
        connectivity: 4 parts pieces that share only a corner, 8 joins them.
    """
    ids = np.zeros(kinds.shape, np.int32)
    classes: dict[int, int] = {}
    for kind in range(1, int(kinds.max(initial=0)) + 1):
        found = remove_small(components(kinds == kind, connectivity), min_area)
        before, count = len(classes), int(found.max(initial=0))
        ids[found > 0] = found[found > 0] + before
        classes |= dict.fromkeys(range(before + 1, before + count + 1), kind)
    return Instances(ids, classes)


def keep_confident(found: Instances, least: float) -> Instances:
    """The objects whose score is at least `least`, numbered anew.

    Raises DataError where objects have no scores, unless `least` is 0.
    """
    if least <= 0 or not found.ids.any():
        return found
    if not found.scores:
        raise DataError(
            "the objects have no confidence to choose them by",
            hint="leave out --min-confidence, or take a method that scores its objects",
        )
    kept = [number for number, score in sorted(found.scores.items()) if score >= least]
    table = np.zeros(int(found.ids.max()) + 1, np.int32)
    table[kept] = np.arange(1, len(kept) + 1)
    classes = {new: found.classes[old] for new, old in enumerate(kept, 1) if old in found.classes}
    scores = {new: found.scores[old] for new, old in enumerate(kept, 1)}
    return Instances(table[found.ids], classes, scores)
