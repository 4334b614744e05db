"""Objects from a map of classes: every connected piece of a class is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
