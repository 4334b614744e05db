"""Some of the images of one member of a pooled data set."""

from __future__ import annotations

import numpy as np

from histokit.data.split import Split
from histokit.errors import DataError

LEFT_OUT = "left_out"
"""The part of a split that nothing reads: images that were not taken."""


def take_images(split: Split, member: str, number: int, seed: int) -> Split:
    """The split of a pool in which one member gives so many training images and no others.

    They are the first of one random order of the member's training and validation images, so
    that a smaller number takes some of those that a larger one takes. Weights are thus chosen on
    the validation images of the other members alone, whatever `number` is; the member's test
    images stay what they are.

    Args:
        split: of the pool, whose keys begin with the name of their member.
        member: its name.
        number: images to take.
        seed: of the order.

    Raises DataError where the member has fewer.
    """
    head = f"{member}/"
    parts = ("train", "val")
    mine = sorted(key for part in parts for key in split[part] if key.startswith(head))
    if number > len(mine):
        raise DataError(
            f"{member} has fewer images to take",
            expected=f"at most {len(mine)}, its training and validation images",
            found=f"{number}",
            hint="take fewer, or give training a larger share: --split 0.9,0.05,0.05",
        )
    order = np.random.default_rng(seed).permutation(len(mine))
    taken = {mine[place] for place in order[:number]}
    others = {part: [key for key in split[part] if not key.startswith(head)] for part in parts}
    return {
        "train": others["train"] + [key for key in mine if key in taken],
        "val": others["val"],
        "test": list(split["test"]),
        LEFT_OUT: [key for key in mine if key not in taken],
    }
