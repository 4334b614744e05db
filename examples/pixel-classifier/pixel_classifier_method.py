"""An example method: one 1x1 convolution says nucleus or not."""

from __future__ import annotations

from torch import nn

from histokit.interfaces import Feed, Instances, Labelled, Maps, Method, Phase, Segmenter
from histokit.losses.segmentation import bce_dice
from histokit.postprocess.watershed import watershed


class PixelClassifier(Method, Segmenter):
    """Logistic regression on RGB."""

    def __init__(self, config, network, updater):
        self.config, self.network, self.updater = config, network, updater

    @classmethod
    def build(cls, config, context):
        """One layer and its optimiser."""
        network = nn.Conv2d(context.channels, 1, kernel_size=1).to(context.device)
        return cls(config, network, context.updater([network], config.lr))

    def stateful(self):
        """All that training changes."""
        return {"network": self.network, "updater": self.updater}

    def phases(self):
        """One phase on labelled images."""
        return [Phase("train", self.config.steps, Feed.LABELLED, self.step)]

    def step(self, batch: Labelled):
        """One update."""
        terms = bce_dice(self.network(batch.images), (batch.ids > 0).float()[:, None])
        self.updater.update(terms["bce"] + terms["dice"])
        return terms

    def segment(self, images):
        """Logits of "nucleus"."""
        return Maps(self.network(images), "sigmoid")

    def decode(self, maps: Maps) -> Instances:
        """Nuclei, the touching ones split."""
        return watershed(maps.logits[0, 0].sigmoid().numpy())
