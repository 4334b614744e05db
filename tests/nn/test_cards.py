"""The cards name what exists, and import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from histokit.interfaces.network import Head
from histokit.interfaces.spec import load_object
from histokit.nn import cards
from histokit.nn.taps import with_tap

CARDS = [cards.UNET, cards.UNET_TRANSPOSE, cards.UNET_SMALL]


def test_cards_are_torch_free():
    code = "import histokit.nn.cards, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_builds_a_network_with_its_taps(card):
    module = load_object(card.factory, card.name)(3, 1, **{**card.options, "width": 4}).eval()
    assert isinstance(load_object(card.head, card.name)(), Head)
    images = torch.zeros(1, 3, card.sizes.min, card.sizes.min)
    logits, features = with_tap(module, card.taps["decoder_last"], images)
    assert torch.equal(module.head(features), logits)
    assert features.shape[2:] == images.shape[2:]
    assert bool((features >= 0).all())
    _, deep = with_tap(module, card.taps["bottleneck"], images)
    widest = 16 if card is cards.UNET_TRANSPOSE else 8
    assert deep.shape == (1, widest * 4, 1, 1)


def test_the_small_network_is_small():
    module = load_object(cards.UNET_SMALL.factory, "unet-small")(3, 1, **cards.UNET_SMALL.options)
    assert 1.0e6 < sum(p.numel() for p in module.parameters()) < 1.2e6


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_carries_its_source(card):
    assert "10.1007/978-3-319-24574-4_28" in card.reference
    assert card.sizes.fit(17) == 32
