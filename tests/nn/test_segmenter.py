"""A network is a segmenter through its head."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from histokit.interfaces.network import Network
from histokit.interfaces.segmenter import Segmenter
from histokit.nn.cards import UNET
from histokit.nn.heads import ForegroundHead
from histokit.nn.segmenter import NetworkSegmenter


class Darkness(nn.Module):
    """Says that dark pixels are nuclei."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        return self.gain * (0.5 - images.mean(1, keepdim=True))


def test_segment_and_decode():
    network = Network("dark", Darkness(), ForegroundHead(), {}, UNET.sizes)
    segmenter = NetworkSegmenter(network)
    assert isinstance(segmenter, Segmenter)
    assert segmenter.sizes == UNET.sizes
    images = torch.ones(1, 3, 32, 32)
    images[:, :, 8:24, 8:24] = 0
    with torch.inference_mode():
        maps = segmenter.segment(images)
    assert torch.equal(maps.logits > 0, images[:, :1] < 0.5)
    ids = segmenter.decode(maps).ids
    assert np.array_equal(np.unique(ids), [0, 1])


def test_it_follows_the_weights():
    module = Darkness()
    segmenter = NetworkSegmenter(Network("dark", module, ForegroundHead(), {}, UNET.sizes))
    images = torch.zeros(1, 3, 16, 16)
    before = segmenter.segment(images).logits
    with torch.no_grad():
        module.gain.mul_(2)
    assert torch.equal(segmenter.segment(images).logits, 2 * before)
