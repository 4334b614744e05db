"""Endless training batches that depend on the seed and the step alone.

Which images, which windows and which augmentation a step gets is a function of (seed, step, place
in the batch). So a resumed run needs no saved loader state, and the number of loading processes
changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from histokit.data.augment import Augment, Geometry, apply_geometry, apply_stain, draw_geometry
from histokit.errors import DataError
from histokit.interfaces import (
    Batch,
    Feed,
    Labelled,
    Labels,
    Pair,
    Record,
    SourceTarget,
    Unlabelled,
)

ReadImage = Callable[[Record], NDArray[np.uint8]]
ReadLabels = Callable[[Record], Labels]

CACHE_BYTES = 4 * 2**30
"""Decoded images kept in memory by one process."""


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

    def whole(self, index: int) -> Window:
        """A whole image with its truth."""
        if index in self._kept:
            return self._kept[index]
        record = self.records[index]
        image = self._read_image(record)
        truth = truth_of(self._read_labels(record)) if self._read_labels else None
        other = self._read_counterpart(record) if self._read_counterpart else None
        whole = Window(image, truth, f"{self.name}/{record.key}", other)
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


def _require_same_size(whole: Window) -> None:
    if whole.other is not None and whole.other.shape != whole.image.shape:
        raise DataError(
            f"the two images of the pair {whole.key} differ in size",
            expected=f"{whole.image.shape[0]} x {whole.image.shape[1]} pixels in both",
            found=f"{whole.other.shape[0]} x {whole.other.shape[1]} in the second",
            hint="register the pairs first, or leave this one out",
        )


def truth_of(labels: Labels) -> NDArray[np.int32]:
    """Ids and class of each pixel, int32 [2 H W]."""
    largest = max(int(labels.ids.max(initial=0)), *labels.classes, 0)
    table = np.zeros(largest + 1, np.int32)
    for number, kind in labels.classes.items():
        table[number] = kind
    return np.stack([labels.ids, table[labels.ids]])


@dataclass(frozen=True, slots=True)
class Draws:
    """A batch before it is on the device: `images` uint8 [B C H W], `truth` int32 [B 2 H W] or
    None, the `others` of pairs, uint8 [B C H W] or None, keys and one geometry an image.
    """

    images: torch.Tensor
    truth: torch.Tensor | None
    others: torch.Tensor | None
    keys: tuple[str, ...]
    geometries: list[Geometry]

    def pin_memory(self) -> Draws:
        """A copy from which a GPU reads without waiting; called by the loader."""
        truth = None if self.truth is None else self.truth.pin_memory()
        others = None if self.others is None else self.others.pin_memory()
        return replace(self, images=self.images.pin_memory(), truth=truth, others=others)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How batches are made: size, window side, augmentation, seed, the share of this process
    (`rank` of `world`), the share of a batch whose windows lie around an object, and whether images
    are laid out channels last.
    """

    batch: int
    side: int
    augment: Augment
    seed: int
    rank: int = 0
    world: int = 1
    oversample: float = 0.0
    channels_last: bool = False

    def around_object(self, place: int) -> bool:
        """Whether the window at a place of the batch lies around an object: the last ones do."""
        return place >= round(self.batch * (1 - self.oversample))


class _Steps(Dataset[list[Draws]]):
    """The draws of one step from each pool, by step number."""

    def __init__(self, pools: Sequence[Pool], settings: FeedSettings) -> None:
        self.pools = pools
        self.settings = settings

    def __getitem__(self, step: int) -> list[Draws]:
        return [self._draws(pool, step) for pool in self.pools]

    def _draws(self, pool: Pool, step: int) -> Draws:
        how = self.settings
        first = (step * how.world + how.rank) * how.batch
        windows = [
            pool.draw(first + k, how.side, how.seed, around_object=how.around_object(k))
            for k in range(how.batch)
        ]
        others = [window.other for window in windows if window.other is not None]
        truths = [window.truth for window in windows if window.truth is not None]
        geometries = [
            draw_geometry(how.augment, stream(how.seed, f"{pool.name}/augment", first + k))
            for k in range(how.batch)
        ]
        return Draws(
            _channels_first([window.image for window in windows]),
            torch.from_numpy(np.stack(truths)) if pool.labelled else None,
            _channels_first(others) if pool.paired else None,
            tuple(window.key for window in windows),
            geometries,
        )


def _channels_first(images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Images [H W C] as one tensor [B C H W]."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


class Feeds:
    """Opens the feed that a phase asks for.

    Args:
        settings: batch size, window and seed.
        device: where batches go.
        source: the labelled pool; for a method trained on target labels, the target's.
        target: the pool whose labels stay shut; None where the method sees no target.
        pairs: the pool of image pairs.
        workers: loading processes.
    """

    def __init__(
        self,
        settings: FeedSettings,
        device: torch.device,
        *,
        source: Pool | None = None,
        target: Pool | None = None,
        pairs: Pool | None = None,
        workers: int = 0,
    ) -> None:
        self.settings = settings
        self.device = device
        self.pools = {"source": source, "target": target, "pairs": pairs}
        self.workers = workers

    def open(self, feed: Feed, start: int) -> Iterator[Batch]:
        """The batches of `feed` from step `start` on, endlessly."""
        if feed is Feed.LABELLED:
            return (self._labelled(d) for (d,) in self._load([self._need("source")], start))
        if feed is Feed.UNLABELLED:
            return (self._unlabelled(d) for (d,) in self._load([self._need("target")], start))
        if feed is Feed.PAIRED:
            return (self._pair(d) for (d,) in self._load([self._need("pairs")], start))
        pools = [self._need("source"), self._need("target")]
        if feed is Feed.SOURCE_TARGET:
            return (
                SourceTarget(self._labelled(s), self._unlabelled(t))
                for s, t in self._load(pools, start)
            )
        return (Pair(self._unlabelled(s), self._unlabelled(t)) for s, t in self._load(pools, start))

    def _need(self, role: str) -> Pool:
        pool = self.pools[role]
        if pool is None:
            raise DataError(
                f"this method needs a data set as --{role}",
                hint=f"add --{role} NAME; see `histokit data list`",
            )
        return pool

    def _load(self, pools: Sequence[Pool], start: int) -> Iterator[list[Draws]]:
        on_gpu = self.device.type == "cuda"
        loader: DataLoader[list[Draws]] = DataLoader(
            _Steps(pools, self.settings),
            sampler=_From(start),
            batch_size=None,
            num_workers=self.workers,
            pin_memory=on_gpu,
            persistent_workers=self.workers > 0,
            prefetch_factor=4 if self.workers else None,
            generator=torch.Generator(),  # else opening a feed would move the global generator
        )
        return iter(loader)

    def _images(self, pixels: torch.Tensor, draws: Draws) -> torch.Tensor:
        images = pixels.to(self.device, non_blocking=True).float().div_(255)
        images = apply_stain(apply_geometry(images, draws.geometries), draws.geometries)
        if self.settings.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images

    def _unlabelled(self, draws: Draws) -> Unlabelled:
        return Unlabelled(self._images(draws.images, draws), draws.keys)

    def _pair(self, draws: Draws) -> Pair:
        if draws.others is None:
            raise DataError(
                "paired batches were asked of single images",
                found=", ".join(draws.keys),
                hint="give a data set whose task is pairs; see `histokit data list`",
            )
        other = Unlabelled(self._images(draws.others, draws), draws.keys)
        return Pair(self._unlabelled(draws), other)

    def _labelled(self, draws: Draws) -> Labelled:
        if draws.truth is None:
            raise DataError(
                "labelled batches were asked of a data set whose labels are shut",
                found=", ".join(draws.keys),
                hint="the method declares less access than it uses; tell its author",
            )
        truth = draws.truth.to(self.device, non_blocking=True)
        truth = apply_geometry(truth, draws.geometries, nearest=True)
        return Labelled(
            self._images(draws.images, draws), truth[:, 0], truth[:, 1].long(), draws.keys
        )


class _From(torch.utils.data.Sampler[int]):
    """The whole numbers from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1
