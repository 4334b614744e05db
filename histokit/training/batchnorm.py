"""Batch normalisation whose statistics are those of the batches of all processes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import Function

Norm = nn.modules.batchnorm._BatchNorm


def synchronise_batchnorm(networks: Iterable[nn.Module]) -> int:
    """Makes each BatchNorm layer take its statistics over all processes, in training mode.

    Layers stay the objects they are, so that hooks, names of weights and what a method changes on
    them go on to work; torch's own SyncBatchNorm is another layer, for GPUs only.

    Returns:
        How many layers there are.
    """
    layers = [m for network in networks for m in network.modules() if isinstance(m, Norm)]
    for layer in layers:
        vars(layer)["forward"] = partial(_forward, layer)
    return len(layers)


def _forward(layer: Norm, images: Tensor) -> Tensor:
    """As `nn.BatchNorm2d`, by mean and variance over the batches of all processes."""
    if not layer.training:
        return type(layer).forward(layer, images)
    values = images.float()
    axes = [axis for axis in range(values.ndim) if axis != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    size = values.new_tensor([values.numel() / values.shape[1]])
    sums = over_processes(torch.cat([values.sum(axes), size]))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    centred = values - mean.view(shape)
    variance = over_processes(centred.square().sum(axes)) / count
    _remember(layer, mean.detach(), (variance * (count / (count - 1).clamp(min=1))).detach())
    normal = centred * torch.rsqrt(variance + layer.eps).view(shape)
    if layer.affine:
        normal = normal * layer.weight.view(shape) + layer.bias.view(shape)
    return normal.to(images.dtype)


def _remember(layer: Norm, mean: Tensor, variance: Tensor) -> None:
    """Moves the running statistics; without a momentum they are the plain average."""
    if not layer.track_running_stats or layer.running_mean is None or layer.running_var is None:
        return
    share: Any = layer.momentum
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        share = 1.0 / layer.num_batches_tracked.to(mean) if share is None else share
    with torch.no_grad():
        layer.running_mean.lerp_(mean.to(layer.running_mean), share)
        layer.running_var.lerp_(variance.to(layer.running_var), share)


def over_processes(values: Tensor) -> Tensor:
    """The sum over processes; its gradient is the sum of theirs. All processes must ask."""
    total: Tensor = _Sum.apply(values)
    return total


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        total = values.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        del ctx
        (gradient,) = gradients
        return _Sum.apply(gradient)
