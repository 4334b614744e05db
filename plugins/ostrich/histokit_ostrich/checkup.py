"""A look at training from time to time: all measures that the batch at hand allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from histokit_ostrich import health
from histokit_ostrich.generator import Generator, Split
from histokit_ostrich.lift import concentrations
from histokit_ostrich.precision import round_trip
from histokit_ostrich.squeeze import padded

if TYPE_CHECKING:
    from histokit_ostrich.judge import Judge
    from histokit_ostrich.objective import Sample

WORST = 1e6
"""Stands for what is not a number, so that a failure is told rather than ending training."""


@torch.no_grad()
def checkup(generator: Generator, sample: Sample) -> dict[str, Tensor]:
    """What any batch tells: scalars by the names in `histokit_ostrich.signs.SIGNS`, and the
    round-trip errors of a crop by precision.
    """
    split = sample.split
    crop = sample.images[:1, :, : health.CROP, : health.CROP]
    found = {
        "inversion": health.inversion_error(generator, crop),
        "amplification": health.amplification(generator, split),
        "participation": health.participation(split.embedding),
        "embedding_std": split.embedding.std(),
        "polarity": health.polarity(split.map, sample.lifted),
        "map_mean": split.map.mean(),
        "padded": torch.tensor(float(sum(split.map.shape[-2:]) - sum(split.size))),
        **{f"round_trip_{name}": error[0] for name, error in round_trip(generator, crop).items()},
    }
    tile = generator.shape.tiles[0]
    if tile > 2:
        found["seams"] = health.seam_index(split.cropped(), tile // 2)
    if sample.known:
        mask = padded(sample.mask, generator.sizes)
        found["leak"] = health.leak(split.embedding[: sample.known], mask)
    return _finite(found | _fragments(sample))


@dataclass(frozen=True, slots=True)
class Drawing:
    """Images drawn from maps of the batch with the embeddings of other images of it.

    Attributes:
        images: [M 3 H W], not clamped.
        masks: what was drawn, [M 1 H W] of 0 and 1.
        donors: for each, the place of the image that lent its embedding.
        again: the first map once more, with another embedding [1 3 H W].
    """

    images: Tensor
    masks: Tensor
    donors: list[int]
    again: Tensor


@torch.no_grad()
def check_drawing(generator: Generator, sample: Sample, judge: Judge | None) -> dict[str, Tensor]:
    """What a batch tells about drawing; nothing where it has no map, or no second image.

    Args:
        generator: the one that is trained.
        sample: the batch after the generator.
        judge: who tells nuclei. Without one it is haematoxylin that does, and the masks of donors
            that lend their labels say where their nuclei were.
    """
    if not len(sample.maps) or len(sample.split.embedding) < 2:
        return {}
    drawing = _draw(generator, sample)
    shown = drawing.images.clamp(0, 1)
    found = {
        "outside": health.outside(drawing.images),
        "reread": health.dice((generator(shown).cropped() > 0).float(), drawing.masks),
        "variety": (shown[:1] - drawing.again.clamp(0, 1)).abs().mean(),
    }
    if judge is not None:
        seen = judge.foreground(shown)
        own = judge.foreground(sample.images)[drawing.donors]
        found["judge"] = health.dice(seen, drawing.masks)
        found["ghosts"] = health.ghosts(seen, drawing.masks, own)
        return _finite(found)
    told = [place for place, donor in enumerate(drawing.donors) if donor < sample.known]
    if told:
        haematoxylin = concentrations(shown[told], generator.lift.stains)[:, :1]
        own = sample.mask[[drawing.donors[place] for place in told]]
        found["ghosts"] = health.ghosts(haematoxylin, drawing.masks[told], own)
    return _finite(found)


def _draw(generator: Generator, sample: Sample) -> Drawing:
    maps, embedding, size = sample.maps, sample.split.embedding, sample.split.size
    donors = [(place - 1) % len(embedding) for place in range(min(len(maps), len(embedding)))]
    maps = maps[: len(donors)]
    whole = padded(maps, generator.sizes)
    images = generator.inverse(Split(whole, embedding[donors], size))
    other = (donors[0] - 1) % len(embedding)
    again = generator.inverse(Split(whole[:1], embedding[other : other + 1], size))
    return Drawing(images, (maps > 0).float(), donors, again)


def _fragments(sample: Sample) -> dict[str, Tensor]:
    """How maps fall apart, against their own masks or else those of other images."""
    truth = sample.mask > 0 if sample.known else sample.maps > 0
    found = sample.split.cropped()[: sample.known or None] > 0
    if not len(truth):
        return {}
    here, there = _sheet(found), _sheet(truth)
    look = health.pieces(here, there)
    log = {"specks": torch.tensor(look.specks), "area_gap": torch.tensor(look.area_gap)}
    if not sample.known:  # the masks are of other images, and there may be more or fewer of them
        share = found.float().mean() - truth.float().mean()
        return log | {"share_gap": share.abs()}
    told = health.fragments(here, there)
    return log | {"split": torch.tensor(told.split), "parts": torch.tensor(told.count)}


def _sheet(masks: Tensor) -> NDArray[np.bool_]:
    """All masks [B 1 H W] below one another, with an empty line between."""
    apart = functional.pad(masks.float(), (0, 0, 0, 1))
    return (apart.flatten(0, 2) > 0.5).cpu().numpy()


def _finite(found: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float().nan_to_num(WORST, WORST, -WORST) for name, value in found.items()}
