"""Endless training batches that depend on the seed and the step alone.

Which images, which windows and which augmentation a step gets is a function of (seed, step, place
in the batch). So a resumed run needs no saved loader state, and the number of loading processes
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from histokit.data.augment import Augment, Geometry, apply_geometry, apply_stain, draw_geometry
from histokit.data.pool import Pool
from histokit.data.windows import stream
from histokit.errors import DataError
from histokit.interfaces import (
    Batch,
    Feed,
    Labelled,
    Pair,
    SourceTarget,
    Unlabelled,
)


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
