"""One player's optimiser: the only way in which a step changes weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from histokit.errors import NonFiniteLoss

Reduce = Callable[[Tensor], Tensor]
Optimiser = Literal["adam", "adamw", "sgd"]
"""``sgd`` has Nesterov's momentum of 0.99, as nnU-Net uses it."""

MOMENTUM = 0.99


class Updater:
    """An optimiser of all parameters of some modules; gradients reach these parameters only.

    A generator's update leaves the gradients of its critic untouched, so a step needs no
    ``requires_grad`` toggles. With several processes, gradients are averaged before the step:
    every process then holds the same weights without any wrapping of the modules.

    Args:
        modules: the networks of this player. Parameters that are frozen stay put.
        lr: learning rate.
        optimiser: see `Optimiser`.
        betas: decay of Adam's two averages.
        weight_decay: L2 penalty; decoupled from the gradient with ``adamw``.
        clip: largest gradient norm; None for no limit.
        schedule: factor on `lr` by the number of updates done so far.
        reduce: mean over processes of a flat tensor; None where there is one process.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        lr: float,
        *,
        optimiser: Optimiser = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        clip: float | None = None,
        schedule: Callable[[int], float] | None = None,
        reduce: Reduce | None = None,
    ) -> None:
        self.parameters = [p for module in modules for p in module.parameters()]
        fused = all(p.is_cuda for p in self.parameters)
        how: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "fused": fused}
        self.optimiser: torch.optim.Optimizer
        if optimiser == "sgd":
            how |= {"momentum": MOMENTUM, "nesterov": True}
            self.optimiser = torch.optim.SGD(self.parameters, **how)
        else:
            adam = torch.optim.Adam if optimiser == "adam" else torch.optim.AdamW
            self.optimiser = adam(self.parameters, betas=betas, **how)
        self.lr = lr
        self.clip = clip
        self.schedule = schedule
        self.reduce = reduce
        self.count = 0

    def update(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Zero, backward, clip, step. Raises NonFiniteLoss on the CPU before weights change; on a
        GPU the loop looks at the losses every few steps, because looking stalls the device.
        """
        Updater.together(loss, [self], retain_graph=retain_graph)

    @staticmethod
    def together(loss: Tensor, updaters: Iterable[Updater], *, retain_graph: bool = False) -> None:
        """One backward pass into the parameters of several updaters, then a step of each."""
        updaters = list(updaters)
        if not loss.is_cuda and not torch.isfinite(loss):
            raise NonFiniteLoss(f"the loss became {float(loss.detach())}")
        parameters = [p for u in updaters for p in u.parameters if p.requires_grad]
        for updater in updaters:
            updater.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(loss.device.type, enabled=False):
            torch.autograd.backward(loss, inputs=parameters, retain_graph=retain_graph)
        for updater in updaters:
            updater._step()

    def _step(self) -> None:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if self.reduce is not None and gradients:
            flat = self.reduce(torch.cat([g.flatten() for g in gradients]))
            pieces = flat.split([g.numel() for g in gradients])
            for gradient, piece in zip(gradients, pieces, strict=True):
                gradient.copy_(piece.view_as(gradient))
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        if self.schedule is not None:
            for group in self.optimiser.param_groups:
                group["lr"] = self.lr * self.schedule(self.count)
        self.optimiser.step()
        self.count += 1

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimiser and the number of updates done."""
        return {"optimiser": self.optimiser.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.count = int(state["count"])
