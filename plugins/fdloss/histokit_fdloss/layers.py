"""The layers of a network on which the loss acts, by the names of its taps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from histokit.errors import ContractError, UnknownName, UsageError
from histokit.interfaces.spec import NetworkSpec
from histokit.nn import cards
from histokit.nn.taps import tap_path, with_taps
from histokit_fdloss import networks
from histokit_fdloss.distance import Shrink, shrunk

if TYPE_CHECKING:
    from histokit.interfaces.context import Context
    from histokit.interfaces.network import Network

BLOCK = re.compile(r"(enc|dec)([1-9][0-9]*)")
BOTTOM = "bottleneck"
PROBE = 32
"""Pixels between the two image sides by which strides are measured; no stride may be larger."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A feature map of a network.

    Attributes:
        name: of the tap.
        path: of the submodule that gives the map.
        stride: image pixels from one pixel of the map to the next.
    """

    name: str
    path: str
    stride: int


def layer_names(taps: Iterable[str]) -> list[str]:
    """The taps that name a layer: ``enc1``, ``dec1``, ``enc2``, … and ``bottleneck`` at the end.

    Empty where there is neither an encoder nor a decoder layer among them.
    """
    found = {name: match for name in taps if (match := BLOCK.fullmatch(name))}
    names = sorted(found, key=lambda name: (int(found[name][2]), found[name][1] == "dec"))
    return [*names, BOTTOM] if names and BOTTOM in taps else names


def chosen_layers(network: Network, wanted: str) -> list[str]:
    """The layers that `wanted` names, separated by commas; all where it is empty.

    Raises UsageError where the network names no layers, UnknownName where it has not that one.
    """
    names = layer_names(network.taps)
    if not names:
        raise UsageError(
            f"the network {network.name} does not name the layers that fdloss acts on",
            expected="taps called enc1, dec1, enc2, ... and bottleneck on its card",
            found=", ".join(network.taps) or "no taps",
            hint="--network " + " or ".join(networks_with_layers()),
        )
    asked = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in asked:
        if name not in names:
            raise UnknownName(f"layer of the network {network.name}", name, names)
    return [name for name in names if name in asked] if asked else names


def networks_with_layers() -> list[str]:
    """Names of the networks of the core and of this plugin that name their layers."""
    known = [*vars(cards).values(), *vars(networks).values()]
    return [one.name for one in known if isinstance(one, NetworkSpec) and layer_names(one.taps)]


def measured_layers(network: Network, wanted: str, context: Context) -> tuple[Layer, ...]:
    """The chosen layers with their strides, from two dry runs on images of different sizes.

    They leave weights, running statistics and random numbers as they were.
    """
    names = chosen_layers(network, wanted)
    paths = {name: tap_path(network, name) for name in names}
    small = network.sizes.fit(1)
    large = network.sizes.fit(small + PROBE)
    training = network.module.training
    network.module.eval()
    devices = [context.device] if context.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices):
        below, above = (_heights(network, paths, side, context) for side in (small, large))
    network.module.train(training)
    return tuple(
        Layer(name, paths[name], _stride(name, large - small, above[name] - below[name]))
        for name in names
    )


def layer_mask(truth: Tensor, features: Tensor, stride: int, how: Shrink) -> Tensor:
    """The truth [N 1 H W] as a layer sees it, at the size of its features.

    Where the layer sees only the middle of the image, as behind convolutions without padding,
    this is the middle of the truth.
    """
    height, width = features.shape[-2:]
    top = max(truth.shape[-2] - height * stride, 0) // 2
    left = max(truth.shape[-1] - width * stride, 0) // 2
    seen = truth[..., top : top + height * stride, left : left + width * stride]
    return shrunk(seen, (height, width), how)


def _heights(
    network: Network, paths: Mapping[str, str], side: int, context: Context
) -> dict[str, int]:
    images = torch.zeros(1, context.channels, side, side, device=context.device)
    _, features = with_taps(network.module, list(paths.values()), images)
    return {name: one.shape[-2] for name, one in zip(paths, features, strict=True)}


def _stride(name: str, pixels: int, rows: int) -> int:
    if rows <= 0 or pixels % rows:
        raise ContractError(
            f"the layer {name} has no stride in whole pixels",
            expected="a feature map that grows in step with the image",
            found=f"{rows} rows more for {pixels} more image rows",
            hint="correct the taps on the card of the network",
        )
    return pixels // rows
