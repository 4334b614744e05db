"""What segments unlabelled images: a student, one that looks at translations, or two together."""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import TYPE_CHECKING, Literal, final

import torch
from torch import Tensor

from histokit.errors import ConfigError
from histokit.interfaces import Instances, Maps, Segmenter, Sizes

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

LEAST = 1e-6
"""Least probability whose logarithm is taken."""


def common(one: Sizes, other: Sizes) -> Sizes:
    """The input sizes that both take; neither may have an offset or shrink."""
    return Sizes(max(one.min, other.min), lcm(one.multiple_of, other.multiple_of))


@final
class Translated(Segmenter):
    """Translates what it is given, and has another segmenter look at that.

    The translation is kept as the map ``translated``, in 0..1.

    Args:
        translate: gives the images another look.
        sizes: that it takes.
        segmenter: what looks at the result.
    """

    def __init__(
        self, translate: Callable[[Tensor], Tensor], sizes: Sizes, segmenter: Segmenter
    ) -> None:
        self._translate = translate
        self._sizes = common(sizes, segmenter.sizes)
        self._segmenter = segmenter

    @property
    def channels(self) -> int:
        """Those of the other segmenter."""
        return self._segmenter.channels

    @property
    def sizes(self) -> Sizes:
        """What both take."""
        return self._sizes

    @property
    def blend(self) -> Literal["taper", "gaussian"]:
        """That of the other segmenter."""
        return self._segmenter.blend

    def segment(self, images: Images) -> Maps:
        """The maps of the translations."""
        seen = self._translate(images)
        maps = self._segmenter.segment(seen)
        return Maps(maps.logits, maps.activation, {**maps.extra, "translated": seen})

    def decode(self, maps: Maps) -> Instances:
        """As the other segmenter does."""
        return self._segmenter.decode(maps)


@final
class Untaught(Segmenter):
    """A segmenter that was never trained: its maps may be looked at, its objects not be had."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    @property
    def channels(self) -> int:
        """Those of the segmenter."""
        return self._segmenter.channels

    @property
    def sizes(self) -> Sizes:
        """Those of the segmenter."""
        return self._segmenter.sizes

    def segment(self, images: Images) -> Maps:
        """The maps of the segmenter, which mean nothing."""
        return self._segmenter.segment(images)

    def decode(self, maps: Maps) -> Instances:
        """Raises ConfigError."""
        raise ConfigError(
            ["segment_steps 0: this run learned to translate alone, never to segment"],
            hint="use `histokit translate`, or train again with --segment-steps N",
        )


@final
class Agreeing(Segmenter):
    """Two segmenters of the same maps: the mean of their probabilities, and how far they agree.

    The map ``agreement``, [B 1 H W] in 0..1, is the probability that both give to the same answer:
    one minus the total variation distance of what they say of a pixel. It weighs the scores of
    objects.

    Args:
        one: a segmenter; it also decodes.
        other: another.
    """

    def __init__(self, one: Segmenter, other: Segmenter) -> None:
        self._one = one
        self._other = other
        self._sizes = common(one.sizes, other.sizes)

    @property
    def channels(self) -> int:
        """Those of the first."""
        return self._one.channels

    @property
    def sizes(self) -> Sizes:
        """What both take."""
        return self._sizes

    @property
    def blend(self) -> Literal["taper", "gaussian"]:
        """That of the first."""
        return self._one.blend

    def segment(self, images: Images) -> Maps:
        """Logits of the mean probability, and the agreement beside the maps of both."""
        one, other = self._one.segment(images), self._other.segment(images)
        p, q = _probabilities(one), _probabilities(other)
        mean = ((p + q) / 2).clamp(LEAST, 1 - LEAST)
        shared = torch.minimum(p, q).sum(1, keepdim=True)
        extra = {**one.extra, **other.extra, "agreement": shared.clamp(0, 1)}
        if one.activation == "sigmoid":
            return Maps(mean[:, :1].logit(), one.activation, extra)
        return Maps(mean.log(), one.activation, extra)

    def decode(self, maps: Maps) -> Instances:
        """The objects, each with its score times the mean agreement in it."""
        found = self._one.decode(maps)
        agreement = maps.extra["agreement"][0, 0].double()
        ids = torch.from_numpy(found.ids).long()
        count = max(found.scores, default=0) + 1
        areas = torch.bincount(ids.flatten(), minlength=count)
        sums = torch.bincount(ids.flatten(), weights=agreement.flatten(), minlength=count)
        means = (sums / areas.clamp_min(1)).clamp(0, 1).tolist()
        scores = {number: score * means[number] for number, score in found.scores.items()}
        return Instances(found.ids, found.classes, scores)


def _probabilities(maps: Maps) -> Tensor:
    """The probability of each answer, [B K H W]; of a foreground also that it is none."""
    if maps.activation == "softmax":
        return maps.logits.softmax(1)
    yes = maps.logits[:, :1].sigmoid()
    return torch.cat((yes, 1 - yes), 1)
