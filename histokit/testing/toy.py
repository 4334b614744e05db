"""Made-up images, and the training batches of every feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, cast, final

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.config.base import TrainingWindows
from histokit.data.augment import Augment
from histokit.data.colour import grey_reader
from histokit.data.draws import FeedSettings
from histokit.data.feeds import Feeds
from histokit.data.pool import Pool
from histokit.interfaces import Access, Dataset, Finding, Labels, Record

GROUND = {"source": (225, 180, 205), "target": (205, 175, 190)}
NUCLEI = {"source": (96, 60, 140), "target": (120, 70, 60)}
RADIUS = 5


@final
class ToyTissue(Dataset):
    """Blue discs on pink ground, or brown ones (``target``), with a little noise.

    Args:
        stain: ``source`` or ``target``; the discs of both lie at the same places.
        count: images.
        side: rows and columns.
        grey: whether the three channels are the same.
    """

    def __init__(
        self, stain: str = "source", *, count: int = 4, side: int = 96, grey: bool = False
    ) -> None:
        self.stain, self.count, self.side, self.grey = stain, count, side, grey

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The images of the stain `variant`; `root` is not looked at."""
        del root
        return cls(variant or "source")

    def records(self) -> Sequence[Record]:
        """Keys ``toy0``, ``toy1``, …, each its own group, at 0.25 micrometres a pixel."""
        return [Record(f"toy{n}", f"toy{n}", mpp=0.25) for n in range(self.count)]

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [side side 3]."""
        return self._painted(record, self.stain)

    def labels(self, record: Record) -> Labels:
        """The discs; every second one is of class 2, the others of class 1."""
        ids = self._ids(record)
        return Labels(ids, {n: 1 + n % 2 for n in range(1, int(ids.max()) + 1)})

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The same place in the other stain."""
        return self._painted(record, "target" if self.stain == "source" else "source")

    def verify(self) -> Iterator[Finding]:
        """Nothing: what is computed cannot be damaged."""
        return iter(())

    def _number(self, record: Record) -> int:
        return int(record.key.removeprefix("toy"))

    def _ids(self, record: Record) -> NDArray[np.int32]:
        rng = np.random.default_rng(self._number(record))
        rows, columns = np.mgrid[: self.side, : self.side]
        ids = np.zeros((self.side, self.side), np.int32)
        step = 3 * RADIUS
        for number, (row, column) in enumerate(
            np.ndindex(self.side // step, self.side // step), start=1
        ):
            centre = np.array([row, column]) * step + step / 2 + rng.uniform(-2, 2, 2)
            ids[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < RADIUS**2] = number
        return ids

    def _painted(self, record: Record, stain: str) -> NDArray[np.uint8]:
        rng = np.random.default_rng([self._number(record), sorted(GROUND).index(stain)])
        nuclei = self._ids(record)[..., None] > 0
        image = np.where(nuclei, NUCLEI[stain], GROUND[stain])
        image = np.clip(image + rng.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
        return np.repeat(image[..., :1], 3, axis=2) if self.grey else image


def toy_feeds(
    access: Access, windows: TrainingWindows, *, seed: int = 0, device: str = "cpu"
) -> Feeds:
    """Batches of `ToyTissue` in every feed that a method of this access may open.

    Labels are there only where the access grants them, as with real data.
    """
    settings = FeedSettings(
        windows.batch,
        windows.tile,
        cast(Augment, windows.augment),
        seed,
        oversample=windows.oversample,
    )
    source = _pool("source", windows, labelled=access not in (Access.IMAGES, Access.PAIRS))
    target = _pool("target", windows, labelled=access is Access.TARGET_LABELS)
    granted: dict[Access, dict[str, Pool]] = {
        Access.NOTHING: {},
        Access.SOURCE: {"source": source},
        Access.TARGET_IMAGES: {"source": source, "target": target},
        Access.TARGET_LABELS: {"source": target},
        Access.IMAGES: {"source": source, "target": target},
        Access.PAIRS: {"pairs": _pool("source", windows, labelled=False, paired=True)},
    }
    pools = granted[access]
    return Feeds(
        settings,
        torch.device(device),
        source=pools.get("source"),
        target=pools.get("target"),
        pairs=pools.get("pairs"),
    )


def _pool(stain: str, windows: TrainingWindows, *, labelled: bool, paired: bool = False) -> Pool:
    grey = windows.channels == 1
    tissue = ToyTissue(stain, grey=grey)
    other = tissue.counterpart if paired else None
    return Pool(
        f"{stain}:toy",
        tissue.records(),
        grey_reader(tissue.image) if grey else tissue.image,
        labels=tissue.labels if labelled else None,
        counterpart=grey_reader(other) if grey and other else other,
    )


def toy_images(count: int, side: int, channels: int = 3) -> torch.Tensor:
    """Different images of discs, float32 [count channels side side] in 0..1."""
    tissue = ToyTissue(count=count, side=side, grey=channels == 1)
    pixels = np.stack([tissue.image(record) for record in tissue.records()])
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()).float() / 255
    return images[:, :channels]
