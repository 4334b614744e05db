"""What a training step looks at, and the terms that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import torch
from torch import Tensor, nn

from histokit_ostrich import losses
from histokit_ostrich.generator import Generator, Split
from histokit_ostrich.maps import foreground, jittered, targets
from histokit_ostrich.schedule import faded
from histokit_ostrich.squeeze import padded

if TYPE_CHECKING:
    from histokit.interfaces.batch import Labelled
    from histokit_ostrich.config import OstrichConfig

LEVELS = 255
"""Grey levels; images get noise of one level, so that their law has a density."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A batch after the generator.

    Attributes:
        images: those that were looked at, [N 3 H W].
        lifted: what of them went in, [N c H' W'].
        split: what came out.
        known: how many of them, the first ones, may meet their labels.
        mask: the masks of these, [known 1 H W].
        target: their maps, with noise.
        maps: draws from the law of maps, [M 1 H W]; of images other than the last N - known.
    """

    images: Tensor
    lifted: Tensor
    split: Split
    known: int
    mask: Tensor
    target: Tensor
    maps: Tensor

    @property
    def free(self) -> Tensor:
        """The maps that only their law is known of, cropped."""
        return self.split.cropped()[self.known :]

    @property
    def matched(self) -> bool:
        """Whether there are both such maps and draws to compare them with."""
        return len(self.free) > 0 and len(self.maps) > 0


def sampled(config: OstrichConfig, generator: Generator, batch: Labelled) -> Sample | None:
    """A pass over a batch; None where no image of it may be looked at.

    An image lends its labels or not by its key, for all of training (see `lends_labels`). In mode
    unpaired those that do are not looked at, in mode semi they meet their labels; in both their
    masks are the law that the other images are held to. So no mask ever meets the pixels of its
    own image, whatever the order of the batch.
    """
    lending = [lends_labels(key, config) for key in batch.keys]
    lenders = [place for place, lends in enumerate(lending) if lends]
    others = [place for place, lends in enumerate(lending) if not lends]
    looked_at = others if config.mode == "unpaired" else lenders + others
    if not looked_at:
        return None
    known = 0 if config.mode == "unpaired" else len(lenders)
    mask = foreground(batch.ids[lenders])
    target = jittered(targets(mask, config.maps))
    images = batch.images[looked_at].float()
    lifted = generator.lifted(images + torch.rand_like(images) / LEVELS)
    split = generator.split(lifted, images.shape[-2:])
    return Sample(images, lifted, split, known, mask[:known], target[:known], target)


def lends_labels(key: str, config: OstrichConfig) -> bool:
    """Whether the image of this key is among the labelled share."""
    return config.mode == "paired" or crc32(key.encode()) < config.labelled_share * 2**32


def generator_terms(
    config: OstrichConfig,
    generator: Generator,
    critics: Mapping[str, nn.Module],
    sample: Sample,
) -> dict[str, Tensor]:
    """The terms of a sample by name, without their weights. There is no term of a cycle: going
    there and back is the identity by construction.
    """
    split, maps = sample.split, sample.split.cropped()
    terms = {
        "embedding": losses.embedding_transport(split.embedding, config.embedding_cost)
        + losses.independence(split.map, split.embedding)
    }
    if sample.known:
        here = _first(split, sample.known)
        terms["supervised"] = losses.supervised(maps[: sample.known], sample.target, sample.mask)
        if config.swap_weight:
            lifted = sample.lifted[: sample.known]
            terms["swap"] = losses.swap(generator, here, sample.target, lifted)
    if sample.matched:
        terms["patches"] = losses.patch_transport(sample.free, sample.maps)
        terms["cost"] = losses.transport_cost(split.map[sample.known :], _free(sample))
        terms["range"] = losses.range_guard(sample.free)
        if "map" in critics:
            terms["critic"] = -critics["map"](losses.bounded(sample.free)).mean()
    if "image" in critics and len(sample.maps):
        terms["image"] = -critics["image"](drawn_images(generator, sample)).mean()
    return terms


def drawn_images(generator: Generator, sample: Sample) -> Tensor:
    """Lifted images of the drawn maps, each with the embedding of an image that is not its own."""
    count = min(len(sample.maps), len(sample.split.embedding))
    embedding = sample.split.embedding.roll(1, 0)[:count]
    maps = padded(sample.maps[:count], generator.sizes)
    lifted = generator.joined(Split(maps, embedding, sample.split.size))
    return lifted.clamp(-losses.LIFTED, losses.LIFTED)


def weights(config: OstrichConfig, embedding: float, done: int) -> dict[str, float]:
    """The weight of each term after so many updates; `embedding` is that of the mode."""
    own = config.embedding_weight
    return {
        "supervised": config.supervised_weight,
        "swap": config.swap_weight,
        "patches": config.patch_weight,
        "critic": config.critic_weight,
        "cost": config.cost_weight * faded(done, config.steps),
        "range": config.range_weight,
        "embedding": embedding if own is None else own,
        "image": config.drawn_weight,
    }


def _first(split: Split, count: int) -> Split:
    return Split(split.map[:count], split.embedding[:count], split.size)


def _free(sample: Sample) -> Tensor:
    return sample.lifted[sample.known :]
