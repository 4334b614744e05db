"""Endless training batches that depend on the seed and the step alone.

Which images, which windows and which augmentation a step gets is a function of (seed, step, place
in the batch). So a resumed run needs no saved loader state, and the number of loading processes
changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from histokit.data.augment import Augment, Geometry, apply_geometry, draw_geometry
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
    """A cut-out: `image` uint8 [H W 3], the key of its image, and where there are labels `truth`
    int32 [2 H W]: ids, and the class of each pixel.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.int32] | None
    key: str


class Pool:
    """The training images of one domain, decoded once and kept while memory allows.

    Args:
        name: what stands before the key in batch keys, such as ``tnbc``.
        records: the images to draw from.
        image: reads an image.
        labels: reads its truth; None for a domain whose labels stay shut.
    """

    def __init__(
        self,
        name: str,
        records: Sequence[Record],
        image: ReadImage,
        labels: ReadLabels | None,
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
        self._kept: dict[int, Window] = {}
        self._bytes = 0

    @property
    def labelled(self) -> bool:
        """Whether windows carry truth."""
        return self._read_labels is not None

    def whole(self, index: int) -> Window:
        """A whole image with its truth."""
        if index in self._kept:
            return self._kept[index]
        record = self.records[index]
        image = self._read_image(record)
        truth = _truth(self._read_labels(record)) if self._read_labels else None
        whole = Window(image, truth, f"{self.name}/{record.key}")
        size = image.nbytes + (0 if truth is None else truth.nbytes)
        if self._bytes + size <= CACHE_BYTES:
            self._kept[index] = whole
            self._bytes += size
        return whole

    def draw(self, number: int, side: int, seed: int) -> Window:
        """The `number`-th window ever drawn: images come in a new random order each round, and
        each gives one window of `side` pixels at a random place (mirrored where it is smaller).
        """
        round_, place = divmod(number, len(self.records))
        order = self._rng(seed, "order", round_).permutation(len(self.records))
        whole = self.whole(int(order[place]))
        return cut_window(whole, side, self._rng(seed, "place", number))

    def _rng(self, seed: int, purpose: str, number: int) -> np.random.Generator:
        return stream(seed, f"{self.name}/{purpose}", number)


def stream(seed: int, purpose: str, number: int) -> np.random.Generator:
    """An independent generator for each (seed, purpose, number)."""
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, tag, number])


def cut_window(whole: Window, side: int, rng: np.random.Generator) -> Window:
    """A random square of `side` pixels; a smaller image is mirrored at its lower right."""
    height, width = whole.image.shape[:2]
    below, right = max(side - height, 0), max(side - width, 0)
    image, truth = whole.image, whole.truth
    if below or right:
        edge = ((0, below), (0, right))
        image = np.pad(image, (*edge, (0, 0)), mode="symmetric")
        truth = None if truth is None else np.pad(truth, ((0, 0), *edge), mode="symmetric")
    top = int(rng.integers(image.shape[0] - side + 1))
    left = int(rng.integers(image.shape[1] - side + 1))
    rows, columns = slice(top, top + side), slice(left, left + side)
    cut = None if truth is None else truth[:, rows, columns]
    return Window(image[rows, columns], cut, whole.key)


def _truth(labels: Labels) -> NDArray[np.int32]:
    """Ids and class of each pixel, int32 [2 H W]."""
    largest = max(int(labels.ids.max(initial=0)), *labels.classes, 0)
    table = np.zeros(largest + 1, np.int32)
    for number, kind in labels.classes.items():
        table[number] = kind
    return np.stack([labels.ids, table[labels.ids]])


@dataclass(frozen=True, slots=True)
class Draws:
    """A batch before it is on the device: `images` uint8 [B C H W], `truth` int32 [B 2 H W] or
    None, keys and one geometry an image.
    """

    images: torch.Tensor
    truth: torch.Tensor | None
    keys: tuple[str, ...]
    geometries: list[Geometry]

    def pin_memory(self) -> Draws:
        """A copy from which a GPU reads without waiting; called by the loader."""
        truth = None if self.truth is None else self.truth.pin_memory()
        return replace(self, images=self.images.pin_memory(), truth=truth)


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """How batches are made: size, window side, augmentation, seed, and the share of this process
    (`rank` of `world`).
    """

    batch: int
    side: int
    augment: Augment
    seed: int
    rank: int = 0
    world: int = 1


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
        windows = [pool.draw(first + k, how.side, how.seed) for k in range(how.batch)]
        images = np.stack([window.image for window in windows]).transpose(0, 3, 1, 2)
        truths = [window.truth for window in windows if window.truth is not None]
        geometries = [
            draw_geometry(how.augment, stream(how.seed, f"{pool.name}/augment", first + k))
            for k in range(how.batch)
        ]
        return Draws(
            torch.from_numpy(np.ascontiguousarray(images)),
            torch.from_numpy(np.stack(truths)) if pool.labelled else None,
            tuple(window.key for window in windows),
            geometries,
        )


class Feeds:
    """Opens the feed that a phase asks for.

    Args:
        source: the labelled pool; for a method trained on target labels, the target's.
        target: the pool whose labels stay shut; None where the method sees no target.
        settings: batch size, window and seed.
        device: where batches go.
        workers: loading processes.
    """

    def __init__(
        self,
        source: Pool | None,
        target: Pool | None,
        settings: FeedSettings,
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.source = source
        self.target = target
        self.settings = settings
        self.device = device
        self.workers = workers

    def open(self, feed: Feed, start: int) -> Iterator[Batch]:
        """The batches of `feed` from step `start` on, endlessly."""
        if feed is Feed.LABELLED:
            return (self._labelled(d) for (d,) in self._load([self._need("source")], start))
        if feed is Feed.UNLABELLED:
            return (self._unlabelled(d) for (d,) in self._load([self._need("target")], start))
        pools = [self._need("source"), self._need("target")]
        if feed is Feed.SOURCE_TARGET:
            return (
                SourceTarget(self._labelled(s), self._unlabelled(t))
                for s, t in self._load(pools, start)
            )
        if feed is Feed.UNPAIRED:
            return (
                Pair(self._unlabelled(s), self._unlabelled(t)) for s, t in self._load(pools, start)
            )
        raise DataError(
            "paired batches need a data set of image pairs",
            found=f"{pools[0].name} and {pools[1].name}, which are single images",
            hint="give a data set whose task is pairs; see `histokit data list`",
        )

    def _need(self, role: str) -> Pool:
        pool = self.source if role == "source" else self.target
        if pool is None:
            raise DataError(f"this method needs a {role} data set", hint=f"add --{role} NAME")
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

    def _images(self, draws: Draws) -> torch.Tensor:
        images = draws.images.to(self.device, non_blocking=True).float().div_(255)
        return apply_geometry(images, draws.geometries)

    def _unlabelled(self, draws: Draws) -> Unlabelled:
        return Unlabelled(self._images(draws), draws.keys)

    def _labelled(self, draws: Draws) -> Labelled:
        if draws.truth is None:
            raise DataError(
                "labelled batches were asked of a data set whose labels are shut",
                found=", ".join(draws.keys),
                hint="the method declares less access than it uses; tell its author",
            )
        truth = draws.truth.to(self.device, non_blocking=True)
        truth = apply_geometry(truth, draws.geometries, nearest=True)
        return Labelled(self._images(draws), truth[:, 0], truth[:, 1].long(), draws.keys)


class _From(torch.utils.data.Sampler[int]):
    """The whole numbers from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1
