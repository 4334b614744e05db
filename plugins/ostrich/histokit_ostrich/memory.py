"""The gate of the reversible backward pass: it must give the gradients of the plain one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, final

import torch
from torch import Tensor

from histokit_ostrich.flow import Flow

DOUBLE, SINGLE = 1e-10, 1e-3
"""Largest relative differences of gradients in float64 and in float32."""
EVERY = 2000
"""Steps between two tests."""


@final
class MemoryGate:
    """Turns a flow's reversible mode on while it passes its test, and off for good when it fails.

    A badly conditioned inverse makes recomputed activations, and so gradients, wrong at the same
    loss (Behrmann et al., AISTATS 2021).

    Args:
        flow: the flow.
        wanted: whether reversible mode is asked for at all.
    """

    def __init__(self, flow: Flow, *, wanted: bool) -> None:
        self._flow = flow
        self.failed = False
        self._wanted = wanted
        flow.reversible = wanted

    def test(self, features: Tensor) -> None:
        """Compares gradients of both kinds at these features."""
        if not self._flow.reversible:
            return
        single = gradient_gap(self._flow, features.detach())
        double = gradient_gap(deepcopy(self._flow).double(), features.detach().double())
        self._set(failed=not (single <= SINGLE and double <= DOUBLE))  # NaN fails too

    def state_dict(self) -> dict[str, Any]:
        """Whether it has failed."""
        return {"failed": self.failed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self._set(failed=bool(state["failed"]))

    def _set(self, *, failed: bool) -> None:
        self.failed = failed
        self._flow.reversible = self._wanted and not failed


def gradient_gap(flow: Flow, features: Tensor) -> float:
    """The length of the difference between recomputed and plain gradients of all weights, over
    that of the plain ones; of a square sum of both directions.
    """
    plain, recomputed = (_gradients(flow, features, reversible=how) for how in (False, True))
    return float((plain - recomputed).norm() / plain.norm().clamp_min(1e-30))


def _gradients(flow: Flow, features: Tensor, *, reversible: bool) -> Tensor:
    before, flow.reversible = flow.reversible, reversible
    try:
        with torch.enable_grad():
            weights = [weight for weight in flow.parameters() if weight.requires_grad]
            loss = flow(features).square().mean() + flow.inverse(features).square().mean()
            found = torch.autograd.grad(loss, weights)
    finally:
        flow.reversible = before
    return torch.cat([gradient.flatten() for gradient in found])
