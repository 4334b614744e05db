"""Endless training batches that depend on the seed and the step alone.

Which images, which windows and which augmentation a step gets is a function of (seed, step, place
in the batch). So a resumed run needs no saved loader state, and the number of loading processes
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from histokit.data.augment import apply_geometry, apply_stain
from histokit.data.draws import Draws, FeedSettings, Steps
from histokit.data.loading import load
from histokit.data.pool import Pool
from histokit.errors import DataError
from histokit.interfaces import (
    Batch,
    Feed,
    Labelled,
    Pair,
    SourceTarget,
    Unlabelled,
)


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
        steps = Steps(pools, self.settings)
        return load(steps, start, self.workers, pinned=self.device.type == "cuda")

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
