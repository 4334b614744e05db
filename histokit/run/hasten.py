"""What may make a training step faster and is asked for: memory layout and compiled networks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from histokit.errors import DeviceError


def hasten(
    networks: Iterable[nn.Module],
    *,
    channels_last: bool,
    compiled: bool,
    backend: str = "inductor",
) -> None:
    """Lays out and compiles networks in place; the names of their weights stay.

    Args:
        networks: of a method, before their state is restored.
        channels_last: whether the weights of convolutions lie channel by channel for each pixel.
        compiled: whether `forward` is compiled when it is first called. Other methods of a network
            are not.
        backend: of `torch.compile`.

    Raises DeviceError where torch cannot compile on this system.
    """
    for network in networks:
        if channels_last:
            network.to(memory_format=torch.channels_last)
        if compiled:
            try:
                network.compile(backend=backend, dynamic=False)
            except RuntimeError as error:
                raise DeviceError(
                    "torch cannot compile networks here",
                    found=str(error),
                    hint="leave out --compile",
                ) from error
