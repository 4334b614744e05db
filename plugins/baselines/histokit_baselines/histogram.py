"""Histogram matching: each target window gets the grey levels of the source, then is segmented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Instances,
    Labelled,
    Maps,
    Method,
    Phase,
    Segmenter,
    Sizes,
    Stateful,
)
from histokit_baselines.nnunet_config import NnUNetPlainConfig
from histokit_baselines.nnunet_plain import NnUNetPlain

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

LEVELS = 256


@final
class HistogramMatching(Method, Adapter):
    """The training of `nnunet-plain` on the source; when predicting, the histogram of each window
    is matched to that of all training windows: the least that a learned translation must beat.

    For one matching an image, give a window that holds it.
    """

    def __init__(self, inner: NnUNetPlain, histogram: Histogram) -> None:
        self.inner = inner
        self.histogram = histogram

    @classmethod
    def build(cls, config: NnUNetPlainConfig, context: Context) -> Self:
        """The untrained network and an empty histogram."""
        histogram = Histogram(context.channels).to(context.device)
        return cls(NnUNetPlain.build(config, context), histogram)

    def stateful(self) -> Mapping[str, Stateful]:
        """Network, updater and histogram."""
        return {**self.inner.stateful(), "histogram": self.histogram}

    def phases(self) -> Sequence[Phase]:
        """One phase on labelled images."""
        return [Phase("train", self.inner.config.steps, Feed.LABELLED, self.train_step)]

    def train_step(self, batch: Labelled) -> Mapping[str, Tensor]:
        """One update of the network; the images are counted into the histogram."""
        self.histogram.add(batch.images)
        return self.inner.train_step(batch)

    def segmenter(self) -> Segmenter:
        """The network, which is shown matched images."""
        return Matched(self.inner.segmenter(), self.histogram)


@final
class Histogram(nn.Module):
    """How often each of 256 levels occurs in each channel. It holds no weights."""

    counts: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(channels, LEVELS, dtype=torch.float64))

    def add(self, images: Images) -> None:
        """Counts the pixels of a batch."""
        for channel, values in enumerate(levels(images).unbind(1)):
            self.counts[channel] += torch.bincount(values.flatten(), minlength=LEVELS)

    def matched(self, images: Images) -> Images:
        """Each image with its levels moved so that they occur as often as those counted.

        Equals `skimage.exposure.match_histograms` of each channel. Images are given back as they
        are where nothing was counted.
        """
        if not bool(self.counts.any()):
            return images
        wanted = self.counts.cpu().numpy()
        found = levels(images).cpu()
        moved = np.empty(found.shape, np.float32)
        for number, image in enumerate(found):
            for channel, values in enumerate(image):
                table = lookup(np.bincount(values.flatten(), minlength=LEVELS), wanted[channel])
                moved[number, channel] = table[values.numpy()]
        return torch.from_numpy(moved).to(images.device) / (LEVELS - 1)


def levels(images: Images) -> Tensor:
    """The level of each value in 0..1, int64."""
    return (images.float() * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1)


def lookup(counts: NDArray[np.integer], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """The new value of each level, float64 [256], so that the shares of pixels up to it agree.

    Args:
        counts: pixels of each level.
        wanted: those of the reference.
    """
    (values,) = np.nonzero(wanted)
    shares = np.cumsum(wanted[values]) / wanted.sum()
    return np.interp(np.cumsum(counts) / counts.sum(), shares, values)


@final
class Matched(Segmenter):
    """A segmenter that is shown images with another histogram.

    Args:
        segmenter: what looks at them.
        histogram: that they get.
    """

    def __init__(self, segmenter: Segmenter, histogram: Histogram) -> None:
        self._segmenter = segmenter
        self._histogram = histogram

    @property
    def channels(self) -> int:
        """Those of the other segmenter."""
        return self._segmenter.channels

    @property
    def sizes(self) -> Sizes:
        """Those of the other segmenter."""
        return self._segmenter.sizes

    @property
    def blend(self) -> Literal["taper", "gaussian"]:
        """That of the other segmenter."""
        return self._segmenter.blend

    def segment(self, images: Images) -> Maps:
        """The maps of the matched images."""
        return self._segmenter.segment(self._histogram.matched(images))

    def decode(self, maps: Maps) -> Instances:
        """As the other segmenter does."""
        return self._segmenter.decode(maps)
