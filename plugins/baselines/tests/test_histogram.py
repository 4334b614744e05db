"""`histogram-matching`: the matching against scikit-image, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.exposure import match_histograms

from histokit.interfaces import Labelled, Network
from histokit.nn.nnunet.card import NNUNET_PLAIN as NETWORK
from histokit.nn.nnunet.head import SemanticHead
from histokit.nn.nnunet.network import PlannedUNet
from histokit.training.updater import Updater
from histokit_baselines import HISTOGRAM_MATCHING, NNUNET_ORACLE, NNUNET_PLAIN
from histokit_baselines.histogram import Histogram, Matched

SIDE = 32


class ToyContext:
    """A context on the CPU that knows one network."""

    device = torch.device("cpu")
    channels = 1
    outputs = 1

    def network(self, name, in_channels, out_channels, **options):
        torch.manual_seed(0)
        module = PlannedUNet(in_channels, out_channels, **options)
        return Network(name, module, SemanticHead(), NETWORK.taps, NETWORK.sizes)

    def updater(self, modules, lr, **options):
        return Updater(modules, lr, **options)


def discs():
    """Four grey images of two dark discs each."""
    y, x = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    ids = torch.zeros(4, SIDE, SIDE, dtype=torch.int32)
    for sample in range(4):
        ids[sample][(y - 9 - sample) ** 2 + (x - 9) ** 2 < 36] = 1
        ids[sample][(y - 20) ** 2 + (x - 23 + sample) ** 2 < 36] = 2
    shade = torch.where(ids > 0, 0.2, 0.9)[:, None]
    noise = 0.05 * torch.rand(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    return Labelled(shade + noise, ids, None, tuple("abcd"))


def pictures(seed, channels=3, count=2):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(60, 200, (count, channels, 1, 1))
    return rng.normal(centres, 25, (count, channels, 40, 30)).clip(0, 255).astype(np.uint8)


def as_images(values):
    return torch.from_numpy(values).float() / 255


@pytest.mark.parametrize("channels", [1, 3])
def test_it_matches_as_scikit_image_does(channels):
    reference, images = pictures(1, channels, 1), pictures(2, channels)
    histogram = Histogram(channels)
    histogram.add(as_images(reference))
    found = histogram.matched(as_images(images)).numpy() * 255
    for one, image in zip(found, images, strict=True):
        expected = match_histograms(image, reference[0], channel_axis=0)
        # scikit-image cuts to whole levels
        assert np.abs(one - expected).max() <= 1


def test_batches_are_counted_together():
    images = as_images(pictures(1))
    whole, parts = Histogram(3), Histogram(3)
    whole.add(images)
    for image in images:
        parts.add(image[None])
    assert torch.equal(whole.counts, parts.counts)
    assert float(whole.counts.sum()) == images.numel()


def test_an_empty_histogram_changes_nothing():
    images = as_images(pictures(1))
    assert torch.equal(Histogram(3).matched(images), images)


def test_a_change_of_grey_levels_is_undone():
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    histogram = Histogram(1)
    histogram.add(images)
    changed = histogram.matched(images.sqrt())
    assert float((changed - images).abs().mean()) < 0.02
    assert float((images.sqrt() - images).abs().mean()) > 0.1


def test_the_network_is_shown_matched_images():
    config = HISTOGRAM_MATCHING.config(channels=1, tile=SIDE, width=4, steps=2, batch=4)
    method = HISTOGRAM_MATCHING.load().build(config, ToyContext())
    batch = discs()
    assert torch.isfinite(method.train_step(batch)["seg"])
    assert set(method.stateful()) == {"network", "updater", "histogram"}
    method.inner.network.module.eval()
    matched, plain = method.segmenter(), method.inner.segmenter()
    assert isinstance(matched, Matched)
    assert (matched.channels, matched.blend, matched.sizes) == (1, "gaussian", plain.sizes)
    with torch.inference_mode():
        found = matched.segment(batch.images**2).logits
        expected = plain.segment(method.histogram.matched(batch.images**2)).logits
    assert torch.equal(found, expected)


def test_the_cards_share_the_settings_of_nnunet_plain():
    for card in (HISTOGRAM_MATCHING, NNUNET_ORACLE):
        assert card.config is NNUNET_PLAIN.config
        assert card.presets == NNUNET_PLAIN.presets
