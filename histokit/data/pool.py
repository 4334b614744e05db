"""The training images of one domain, decoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from histokit.data.windows import Window, cut_window, object_pixel, stream, truth_of
from histokit.errors import DataError
from histokit.interfaces import Labels, Record

ReadImage = Callable[[Record], NDArray[np.uint8]]
ReadLabels = Callable[[Record], Labels]

CACHE_BYTES = 4 * 2**30
"""Decoded images kept in memory by one process."""


class Pool:
    """The training images of one domain, decoded once and kept while memory allows.

    Args:
        name: what stands before the key in batch keys, such as ``tnbc``.
        records: the images to draw from.
        image: reads an image.
        labels: reads its truth; None for a domain whose labels stay shut.
        counterpart: reads the image in the other stain; None where there are no pairs.
        shares: places in `records` that are drawn from in turn, so that as many windows come from
            a few images as from many; none draws from all alike.
    """

    def __init__(
        self,
        name: str,
        records: Sequence[Record],
        image: ReadImage,
        labels: ReadLabels | None = None,
        counterpart: ReadImage | None = None,
        shares: Sequence[Sequence[int]] = (),
    ) -> None:
        if not records:
            raise DataError(
                f"{name} has no training images",
                expected="at least one image in the training part of the split",
                hint="give another --split, or look at `histokit data verify`",
            )
        self.name = name
        self.records = list(records)
        self._read_image = image
        self._read_labels = labels
        self._read_counterpart = counterpart
        self._shares = shares or [range(len(records))]
        self._kept: dict[int, Window] = {}
        self._bytes = 0

    @property
    def labelled(self) -> bool:
        """Whether windows carry truth."""
        return self._read_labels is not None

    @property
    def paired(self) -> bool:
        """Whether windows carry the same place in another stain."""
        return self._read_counterpart is not None

    def key(self, number: int, seed: int) -> str:
        """The image that the `number`-th window is of."""
        return self._key(self.records[self._place(number, seed)])

    def _key(self, record: Record) -> str:
        return f"{self.name}/{record.key}"

    def whole(self, index: int) -> Window:
        """A whole image with its truth."""
        if index in self._kept:
            return self._kept[index]
        record = self.records[index]
        image = self._read_image(record)
        truth = truth_of(self._read_labels(record)) if self._read_labels else None
        other = self._read_counterpart(record) if self._read_counterpart else None
        whole = Window(image, truth, self._key(record), other)
        _require_same_size(whole)
        if self._bytes + whole.nbytes <= CACHE_BYTES:
            self._kept[index] = whole
            self._bytes += whole.nbytes
        return whole

    def draw(self, number: int, side: int, seed: int, *, around_object: bool = False) -> Window:
        """The `number`-th window ever drawn: images come in a new random order each round, and
        each gives one window of `side` pixels at a random place (mirrored where it is smaller).
        With shares, as many windows in a row as there are shares come from one each, in random
        order.

        With `around_object` a labelled image that has objects gives a window around a random pixel
        of a random class.
        """
        whole = self.whole(self._place(number, seed))
        rng = self._rng(seed, "place", number)
        centre = object_pixel(whole, rng) if around_object else None
        return cut_window(whole, side, rng, centre)

    def _place(self, number: int, seed: int) -> int:
        """Which record the `number`-th window is of."""
        turn, within = divmod(number, len(self._shares))
        which, purpose = 0, "order"
        if len(self._shares) > 1:
            which = int(self._rng(seed, "share", turn).permutation(len(self._shares))[within])
            purpose = f"order of share {which}"
        share = self._shares[which]
        round_, place = divmod(turn, len(share))
        return share[int(self._rng(seed, purpose, round_).permutation(len(share))[place])]

    def _rng(self, seed: int, purpose: str, number: int) -> np.random.Generator:
        return stream(seed, f"{self.name}/{purpose}", number)


def _require_same_size(whole: Window) -> None:
    if whole.other is not None and whole.other.shape != whole.image.shape:
        raise DataError(
            f"the two images of the pair {whole.key} differ in size",
            expected=f"{whole.image.shape[0]} x {whole.image.shape[1]} pixels in both",
            found=f"{whole.other.shape[0]} x {whole.other.shape[1]} in the second",
            hint="register the pairs first, or leave this one out",
        )
