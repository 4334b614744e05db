"""Windows cut out of images and their truth, at places drawn by seed and number alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.interfaces import Labels


@dataclass(frozen=True, slots=True)
class Window:
    """A cut-out: `image` uint8 [H W C], the key of its image, where there are labels `truth` int32
    [2 H W]: ids, and the class of each pixel, and of a pair the `other` image uint8 [H W C].
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.int32] | None
    key: str
    other: NDArray[np.uint8] | None = None

    @property
    def nbytes(self) -> int:
        """Memory that the pixels take."""
        parts = (self.image, self.truth, self.other)
        return sum(part.nbytes for part in parts if part is not None)


def stream(seed: int, purpose: str, number: int) -> np.random.Generator:
    """An independent generator for each (seed, purpose, number)."""
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, tag, number])


def object_pixel(whole: Window, rng: np.random.Generator) -> tuple[int, int] | None:
    """Row and column of a random pixel of a random class that the image holds; None where it has
    no objects or no truth. Objects without a class count as one more class.
    """
    if whole.truth is None or not whole.truth[0].any():
        return None
    ids, classes = whole.truth
    kinds = np.where(ids > 0, classes + 1, 0)
    present = np.flatnonzero(np.bincount(kinds.ravel()))
    pixels = np.flatnonzero(kinds == rng.choice(present[present > 0]))
    row, column = divmod(int(rng.choice(pixels)), ids.shape[1])
    return row, column


def cut_window(
    whole: Window,
    side: int,
    rng: np.random.Generator,
    centre: tuple[int, int] | None = None,
) -> Window:
    """A square of `side` pixels at random, or around `centre` as far as the image reaches; a
    smaller image is mirrored at its lower right.
    """
    height, width = whole.image.shape[:2]
    below, right = max(side - height, 0), max(side - width, 0)
    lowest, last = max(height, side) - side, max(width, side) - side
    if centre is None:
        top, left = int(rng.integers(lowest + 1)), int(rng.integers(last + 1))
    else:
        top = min(max(centre[0] - side // 2, 0), lowest)
        left = min(max(centre[1] - side // 2, 0), last)
    rows, columns = slice(top, top + side), slice(left, left + side)

    def cut(pixels: NDArray[Any], lead: int) -> NDArray[Any]:
        """The window, of an array with `lead` axes before rows and columns."""
        if below or right:
            edge = [(0, 0)] * lead + [(0, below), (0, right)]
            edge += [(0, 0)] * (pixels.ndim - len(edge))
            pixels = np.pad(pixels, edge, mode="symmetric")
        return pixels[(slice(None),) * lead + (rows, columns)]

    truth = None if whole.truth is None else cut(whole.truth, 1)
    other = None if whole.other is None else cut(whole.other, 0)
    return Window(cut(whole.image, 0), truth, whole.key, other)


def truth_of(labels: Labels) -> NDArray[np.int32]:
    """Ids and class of each pixel, int32 [2 H W]."""
    largest = max(int(labels.ids.max(initial=0)), *labels.classes, 0)
    table = np.zeros(largest + 1, np.int32)
    for number, kind in labels.classes.items():
        table[number] = kind
    return np.stack([labels.ids, table[labels.ids]])
