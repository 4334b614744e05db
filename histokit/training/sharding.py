"""Weights spread over processes, and whole again where they are saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def spread(networks: Iterable[nn.Module], kind: str) -> dict[nn.Parameter, nn.Parameter]:
    """Spreads the weights of networks over all processes, in place (PyTorch's FSDP2).

    Each process keeps its part. A network is made whole for a pass through its `forward`, and its
    gradients come averaged. Buffers stay whole.

    Args:
        networks: to spread, each as one unit.
        kind: the devices they are on, ``cpu`` or ``cuda``.

    Returns:
        What each parameter became.
    """
    mesh = init_device_mesh(kind, (torch.distributed.get_world_size(),))
    fresh: dict[nn.Parameter, nn.Parameter] = {}
    for network in networks:
        before = dict(network.named_parameters())
        _sharded(network, mesh)
        after = dict(network.named_parameters())
        fresh |= {parameter: after[name] for name, parameter in before.items()}
    return fresh


def _sharded(network: nn.Module, mesh: DeviceMesh) -> None:
    """Spreads one network, and makes it whole once: where that first happened in a validation,
    under ``torch.inference_mode``, no gradient could ever flow through its weights.
    """
    spread_one = fully_shard(network, mesh=mesh)
    spread_one.unshard()
    spread_one.reshard()


def whole(value: Any) -> Any:
    """A nested state with every spread tensor whole again, on the CPU: what is spread is so since
    no device holds all of it. What holds none stays the object it is. All processes must ask.
    """
    if isinstance(value, DTensor):
        return value.full_tensor().detach().cpu()
    if isinstance(value, dict):
        made = {key: whole(item) for key, item in value.items()}
        return made if any(made[key] is not item for key, item in value.items()) else value
    if isinstance(value, list):
        items = [whole(item) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def spread_like(value: Tensor, model: object) -> Tensor:
    """A whole tensor spread as `model` is; as it is where `model` is whole."""
    if isinstance(model, DTensor) and not isinstance(value, DTensor):
        return distribute_tensor(value.to(model.device), model.device_mesh, model.placements)
    return value
