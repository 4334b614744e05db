"""Which feature maps the loss acts on, and which part of the truth each of them sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histokit.errors import ContractError, UnknownName, UsageError
from histokit.interfaces.network import Network
from histokit.interfaces.spec import NetworkSpec, Sizes, load_object
from histokit.nn import cards
from histokit.nn.heads import ForegroundHead
from histokit_fdloss import networks
from histokit_fdloss.layers import (
    chosen_layers,
    layer_mask,
    layer_names,
    measured_layers,
    networks_with_layers,
)

OWN = [card for card in vars(networks).values() if isinstance(card, NetworkSpec)]
CORE = [
    card
    for card in vars(cards).values()
    if isinstance(card, NetworkSpec) and layer_names(card.taps)
]


class Context:
    device = torch.device("cpu")
    channels = 3


class Shapes(Context):
    """Where networks have shapes but no numbers."""

    device = torch.device("meta")


class Valid(nn.Module):
    """A halving, then a 5x5 convolution without padding."""

    def __init__(self):
        super().__init__()
        self.halved = nn.AvgPool2d(2)
        self.cut = nn.Conv2d(3, 1, 5)
        self.whole = nn.AdaptiveAvgPool2d(1)

    def forward(self, images):
        features = self.cut(self.halved(images))
        return features + self.whole(features)


def network_of(module, taps, sizes=None):
    return Network("valid", module, ForegroundHead(), taps, sizes or Sizes(min=16, multiple_of=2))


def test_names_are_told_from_other_taps_and_put_in_order():
    taps = ["decoder_last", "dec10", "enc2", "bottleneck", "dec2", "enc1", "u1", "enc0", "dec1"]
    expected = ["enc1", "dec1", "enc2", "dec2", "dec10", "bottleneck"]
    assert layer_names(taps) == expected
    assert layer_names(["enc1", "dec1"]) == ["enc1", "dec1"]
    assert layer_names(["decoder_last", "bottleneck"]) == []


def test_a_choice_keeps_the_order():
    network = network_of(Valid(), {"enc1": "halved", "dec1": "cut", "bottleneck": "cut"})
    assert chosen_layers(network, "") == ["enc1", "dec1", "bottleneck"]
    assert chosen_layers(network, " bottleneck, enc1") == ["enc1", "bottleneck"]
    with pytest.raises(UnknownName, match="enc1"):
        chosen_layers(network, "enc7")


def test_a_network_without_layers_is_told_with_some_that_have_them():
    network = network_of(Valid(), {"decoder_last": "cut"})
    with pytest.raises(UsageError, match="decoder_last") as told:
        chosen_layers(network, "")
    assert "--network " in str(told.value)
    assert {"attention-unet", "nucleisegnet", "cmunet"} <= set(networks_with_layers())
    assert all(name in str(told.value) for name in networks_with_layers())


def test_strides_are_measured_behind_unpadded_convolutions():
    network = network_of(Valid(), {"enc1": "halved", "dec1": "cut"})
    assert [layer.stride for layer in measured_layers(network, "", Context())] == [2, 2]


def test_a_map_of_constant_size_is_no_layer():
    network = network_of(Valid(), {"enc1": "whole"})
    with pytest.raises(ContractError, match="enc1"):
        measured_layers(network, "", Context())


@pytest.mark.parametrize("card", [*OWN, *CORE], ids=lambda card: card.name)
def test_every_layer_sees_what_it_should(card):
    with torch.device("meta"):
        module = load_object(card.factory, card.name)(3, 1, **card.options)
    head = load_object(card.head, card.name)()
    network = Network(card.name, module, head, card.taps, card.sizes)
    for layer in measured_layers(network, "", Shapes()):
        if layer.name == "bottleneck" or card.name == "attention-unet-released":
            continue
        assert layer.stride == 2 ** (int(layer.name[3:]) - 1)


def test_the_mask_is_the_middle_where_the_map_is():
    truth = torch.zeros(1, 1, 12, 12)
    truth[..., :2, :] = 1
    truth[..., 4, 4] = 1
    smaller = torch.zeros(1, 5, 4, 4)
    found = layer_mask(truth, smaller, 2, "area")
    assert found.shape == (1, 1, 4, 4)
    assert float(found.sum()) == 0.25
    assert float(found[0, 0, 1, 1]) == 0.25
    whole = layer_mask(truth, torch.zeros(1, 5, 6, 6), 2, "max")
    assert whole[0, 0, 0].tolist() == [1] * 6
    assert float(whole[..., 1:, :].sum()) == 1
