"""CycleGAN as a control: between two stains, and between images and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, final

from torch import Tensor, nn

from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Method,
    Network,
    Pair,
    Phase,
    Segmenter,
    Sizes,
    SourceTarget,
    Stateful,
    Translator,
)
from histokit.nn.heads import ForegroundHead
from histokit.nn.segmenter import NetworkSegmenter
from histokit_baselines.alignment import collapse_warnings, foreground_share
from histokit_baselines.cyclegan_config import CycleGanConfig, CycleMasksConfig
from histokit_baselines.cyclegan_cycle import Cycle, signed, unsigned
from histokit_baselines.cyclegan_networks import SIZES, Generator

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

COLOURS = 3


@final
class CycleGan(Method, Translator):
    """Translates between two stains, trained on unpaired images without labels (`Cycle`).

    Departures from the authors' code: windows are cut at random from whole images instead of
    resized ones, the length is told in steps, and both critics share an optimiser, which for Adam
    is the same as one each.
    """

    def __init__(self, config: CycleGanConfig, cycle: Cycle) -> None:
        self._config = config
        self._cycle = cycle

    @classmethod
    def build(cls, config: CycleGanConfig, context: Context) -> Self:
        """The untrained networks."""
        return cls(config, Cycle(config, context, COLOURS, COLOURS, config.identity_weight))

    def stateful(self) -> Mapping[str, Stateful]:
        """All that takes part; side A is the source."""
        return self._cycle.stateful()

    def phases(self) -> Sequence[Phase]:
        """One phase on independent draws."""
        return (Phase("train", self._cycle.steps, Feed.UNPAIRED, self._step),)

    @property
    def sizes(self) -> Sizes:
        """Multiples of 4."""
        return SIZES

    def translate(self, images: Images) -> Images:
        """One pass of the generator of the wanted direction."""
        forth = self._config.direction == "source-target"
        generator = self._cycle.to_b if forth else self._cycle.to_a
        return unsigned(generator(signed(images)))

    def _step(self, batch: Pair) -> Mapping[str, Tensor]:
        _, losses = self._cycle.step(signed(batch.source.images), signed(batch.target.images))
        return losses


@final
class CycleGanMasks(Method, Adapter):
    """Segments the target with what turns its images into masks like the source's (`Cycle`).

    Side A are images of the target, side B foreground masks of the source, unpaired: no image of
    the source and no label of the target is ever read. There is no identity loss, since the sides
    differ in channels. The probability of foreground is the generated mask, brought to 0..1.

    A mask says less than an image, so that a cycle can only close by what G hides in it; that is
    the known weakness of this control. Weights chosen by source validation are judged on images
    unlike those trained on; ``--selection last`` does not choose.
    """

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        masks = MaskLogits(cycle.to_b)
        self._network = Network("cyclegan-masks", masks, ForegroundHead(), {}, SIZES)

    @classmethod
    def build(cls, config: CycleMasksConfig, context: Context) -> Self:
        """The untrained networks."""
        return cls(Cycle(config, context, context.channels, 1))

    def stateful(self) -> Mapping[str, Stateful]:
        """All that takes part; side A are target images, side B masks."""
        return self._cycle.stateful()

    def phases(self) -> Sequence[Phase]:
        """One phase on both domains."""
        return (Phase("train", self._cycle.steps, Feed.SOURCE_TARGET, self._step),)

    def segmenter(self) -> Segmenter:
        """The generator of masks with its current weights."""
        return NetworkSegmenter(self._network)

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Too little or too much foreground on the target."""
        del step
        return collapse_warnings(losses)

    def _step(self, batch: SourceTarget) -> Mapping[str, Tensor]:
        images = signed(batch.target.images)
        masks = (batch.source.ids > 0).to(images)[:, None]
        found, losses = self._cycle.step(images, signed(masks))
        return losses | {"target_foreground": foreground_share(found)}


@final
class MaskLogits(nn.Module):
    """Foreground logits [B 1 H W] of images in 0..1, whose sigmoid is the generated mask in 0..1.

    (tanh(r) + 1) / 2 = sigmoid(2 r) for the generator's value r before its hyperbolic tangent.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        return 2 * self.generator.raw(signed(images))
