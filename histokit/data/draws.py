"""What is drawn for a step: a function of (seed, step, place in the batch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from histokit.data.augment import Augment, Geometry, draw_geometry
from histokit.data.pool import Pool
from histokit.data.windows import stream


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


@final
class Steps(Dataset[list[Draws]]):
    """The draws of one step from each pool, by step number."""

    def __init__(self, pools: Sequence[Pool], settings: FeedSettings) -> None:
        self.pools = pools
        self.settings = settings

    def __getitem__(self, step: int) -> list[Draws]:
        return [self._draws(pool, step) for pool in self.pools]

    def keys(self, step: int) -> list[str]:
        """The images that a step looks at, without reading them."""
        first = self._first(step)
        how = self.settings
        return [p.key(first + k, how.seed) for p in self.pools for k in range(how.batch)]

    def _first(self, step: int) -> int:
        how = self.settings
        return (step * how.world + how.rank) * how.batch

    def _draws(self, pool: Pool, step: int) -> Draws:
        how, first = self.settings, self._first(step)
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
