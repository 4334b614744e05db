"""Taps give the features of a submodule with their graph, and leave no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from histokit.errors import ContractError, UnknownName
from histokit.interfaces.network import Network
from histokit.interfaces.spec import Sizes
from histokit.nn.heads import ForegroundHead
from histokit.nn.taps import tap_path, with_tap, with_taps


class Boom(nn.Module):
    def forward(self, images):
        raise ValueError("boom")


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Conv2d(3, 2, 1)
        self.unused = nn.Conv2d(3, 2, 1)

    def forward(self, images):
        return self.used(images)


class Pairs(nn.Module):
    def forward(self, images):
        return images, images


IMAGES = torch.ones(1, 3, 4, 4)


def hooks(module):
    return [hook for part in module.modules() for hook in part._forward_hooks]


def test_output_and_features_belong_together():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    output, features = with_tap(module, "1", IMAGES)
    assert torch.equal(module[2](features), output)
    features.sum().backward()
    assert module[0].weight.grad is not None
    assert module[2].weight.grad is None
    assert not hooks(module)


def test_several_taps_come_from_one_pass_in_the_order_asked_for():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout(0.5), nn.Conv2d(4, 1, 1)).train()
    output, (late, early) = with_taps(module, ["1", "0"], IMAGES)
    assert torch.equal(module[2](late), output)
    assert torch.equal(late[late != 0], 2 * early[late != 0])
    assert not hooks(module)


def test_one_bad_tap_among_several_is_told():
    with pytest.raises(ContractError, match="'unused'"):
        with_taps(Lazy(), ["used", "unused"], IMAGES)
    with pytest.raises(ContractError, match="'absent'"):
        with_taps(module := Lazy(), ["used", "absent"], IMAGES)
    assert not hooks(module)


def test_nested_paths():
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
    _, features = with_tap(module, "0.1", IMAGES)
    assert features.shape == (1, 4, 4, 4)


def test_no_trace_after_a_failure():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), Boom())
    with pytest.raises(ValueError, match="boom"):
        with_tap(module, "0", IMAGES)
    assert not hooks(module)


def test_unknown_path_names_the_known_ones():
    with pytest.raises(ContractError, match="used, unused"):
        with_tap(Lazy(), "absent", IMAGES)


@pytest.mark.parametrize(
    ("module", "path", "found"),
    [(Lazy(), "unused", "did not run"), (nn.Sequential(Pairs()), "0", "tuple")],
)
def test_a_tap_without_a_feature_map_is_told(module, path, found):
    with pytest.raises(ContractError, match=found):
        with_tap(module, path, IMAGES)
    assert not hooks(module)


def test_tap_by_name():
    network = Network("lazy", Lazy(), ForegroundHead(), {"last": "used"}, Sizes())
    assert tap_path(network, "last") == "used"
    with pytest.raises(UnknownName, match="last"):
        tap_path(network, "lats")
