"""The hourglass of invertible layers, and its backward pass that recomputes what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from histokit.errors import ContractError
from histokit_ostrich.layers import Layer


@final
class Flow(nn.Module):
    """Invertible layers one after another, always in single or double precision.

    Args:
        layers: the layers.

    Attributes:
        reversible: whether a backward pass finds the activations by running the layers backwards,
            instead of keeping all of them. Then only the last one is kept.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.reversible = False

    def forward(self, features: Tensor) -> Tensor:
        """Through all layers."""
        return self._go(features, back=False)

    def inverse(self, features: Tensor) -> Tensor:
        """Back through all layers."""
        return self._go(features, back=True)

    def log_det(self, features: Tensor) -> Tensor:
        """The sum over the layers, [B]."""
        total = features.new_zeros(len(features))
        for layer in self.steps():
            total = total + layer.log_det(features)
            features = layer(features)
        return total

    def steps(self, *, back: bool = False) -> Iterator[Layer]:
        """The layers in the order in which a pass goes through them."""
        for layer in reversed(self.layers) if back else self.layers:
            if isinstance(layer, Layer):
                yield layer

    def _go(self, features: Tensor, *, back: bool) -> Tensor:
        with exact(features.device):
            if self.reversible and torch.is_grad_enabled():
                return _Recomputed.apply(self, back, features, *self.parameters())
            return _walk(self, features, back)


def _walk(flow: Flow, features: Tensor, back: bool) -> Tensor:
    for layer in flow.steps(back=back):
        features = layer.inverse(features) if back else layer(features)
    return features


class _Recomputed(torch.autograd.Function):
    """A pass through a flow, either way, that keeps its result alone.

    The backward pass takes the layers from the last to the first: it inverts one, repeats it with
    a graph, and asks that graph for the gradients. The idea is that of RevNet (Gomez et al.,
    2017) and MemCNN; the caller's tensors stay as they are.
    """

    @staticmethod
    def forward(ctx: Any, flow: Flow, back: bool, features: Tensor, *weights: Tensor) -> Tensor:
        del weights
        ctx.flow, ctx.back = flow, back
        result = _walk(flow, features, back)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise ContractError(
                "the reversible generator was asked for a gradient of a gradient",
                expected="first derivatives only",
                hint="train with --memory stored",
            )
        (output,), (grad,) = ctx.saved_tensors, grads
        found: dict[nn.Parameter, Tensor | None] = {}
        with exact(grad.device):
            for layer in ctx.flow.steps(back=not ctx.back):
                output, grad = _undo(layer, output, grad, ctx.back, found)
        return None, None, grad, *(found.get(weight) for weight in ctx.flow.parameters())


def _undo(
    layer: Layer,
    output: Tensor,
    grad: Tensor,
    back: bool,
    found: dict[nn.Parameter, Tensor | None],
) -> tuple[Tensor, Tensor]:
    """Input of a layer and the gradient there; those of its parameters go to `found`."""
    weights = [weight for weight in layer.parameters() if weight.requires_grad]
    with torch.no_grad():
        before = layer(output) if back else layer.inverse(output)
    before = before.detach().requires_grad_()
    with torch.enable_grad():
        again = layer.inverse(before) if back else layer(before)
        at_input, *at_weights = torch.autograd.grad(
            again, (before, *weights), grad, allow_unused=True
        )
    found.update(zip(weights, at_weights, strict=True))
    return before.detach(), at_input


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """No half precision, and on a GPU no TF32 in convolutions: both ruin the inverse."""
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            cudnn = torch.backends.cudnn
            stack.enter_context(
                cudnn.flags(
                    enabled=cudnn.enabled,
                    benchmark=cudnn.benchmark,
                    deterministic=cudnn.deterministic,
                    allow_tf32=False,
                )
            )
        yield
