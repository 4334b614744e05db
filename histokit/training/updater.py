"""One player's optimiser: the only way in which a step changes weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from histokit.errors import NonFiniteLoss
from histokit.training.sharding import spread_like

Reduce = Callable[[Tensor], Tensor]
Optimiser = Literal["adam", "adamw", "sgd"]
"""``sgd`` has Nesterov's momentum of 0.99, as nnU-Net uses it."""

MOMENTUM = 0.99


class NonFiniteElsewhere(NonFiniteLoss):
    """A loss of another process became NaN or infinite; that process tells which."""


class Updater:
    """An optimiser of all parameters of some modules; gradients reach these parameters only.

    A generator's update leaves the gradients of its critic untouched, so a step needs no
    ``requires_grad`` toggles. With several processes, gradients are averaged before the step:
    every process then holds the same weights without any wrapping of the modules. All processes
    must make the same updates in the same order; a parameter that only some of them have a gradient
    for counts as zero in the others.

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
        self.sharded = False
        self.count = 0

    def adopt(self, fresh: Mapping[nn.Parameter, nn.Parameter]) -> None:
        """Takes what weights became when they were spread over the processes; before any update.

        Their gradients then come averaged.
        """
        for group in self.optimiser.param_groups:
            group["params"] = [fresh[p] for p in group["params"]]
        self.parameters = [fresh[p] for p in self.parameters]
        self.sharded = True

    def update(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Zero, backward, clip, step. Raises NonFiniteLoss on the CPU before weights change, in all
        processes where it is not finite in one; on a GPU the loop looks at the losses every few
        steps, because looking stalls the device.
        """
        Updater.together(loss, [self], retain_graph=retain_graph)

    @staticmethod
    def together(loss: Tensor, updaters: Iterable[Updater], *, retain_graph: bool = False) -> None:
        """One backward pass into the parameters of several updaters, then a step of each."""
        updaters = list(updaters)
        if not loss.is_cuda:
            _require_finite(loss.detach(), updaters[0].reduce if updaters else None)
        parameters = [p for u in updaters for p in u.parameters if p.requires_grad]
        for updater in updaters:
            updater.optimiser.zero_grad(set_to_none=True)
        # spread weights are no part of the graph, which knows whole copies of them; what reaches
        # another player then is forgotten at the start of that one's own update
        inputs = None if any(updater.sharded for updater in updaters) else parameters
        with torch.autocast(loss.device.type, enabled=False):
            torch.autograd.backward(loss, inputs=inputs, retain_graph=retain_graph)
        for updater in updaters:
            updater._step()

    def _step(self) -> None:
        if self.reduce is not None and not self.sharded:
            average_gradients(self.parameters, self.reduce)
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
        for parameter, kept in self.optimiser.state.items():
            for name, value in kept.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    kept[name] = spread_like(value, parameter)
        self.count = int(state["count"])


def average_gradients(parameters: Sequence[nn.Parameter], reduce: Reduce) -> None:
    """Turns the gradients into their mean over processes.

    Which of them there are is told along: one that no process has stays None, as in one process.
    """
    parameters = [p for p in parameters if p.requires_grad]
    if not parameters:
        return
    there = [p.grad is not None for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    pieces = [gradient.flatten() for gradient in gradients]
    flat = reduce(torch.cat([*pieces, torch.tensor(there).to(pieces[0])]))
    *means, shares = flat.split([*(piece.numel() for piece in pieces), len(parameters)])
    # looking stalls the device; where all are here there is nothing to look for
    met = there if all(there) else [share > 0 for share in shares.tolist()]
    for parameter, gradient, mean, one in zip(parameters, gradients, means, met, strict=True):
        parameter.grad = gradient.copy_(mean.view_as(gradient)) if one else None


def _require_finite(loss: Tensor, reduce: Reduce | None) -> None:
    total = loss if reduce is None else reduce(loss.reshape(1))
    if torch.isfinite(total).all():
        return
    if not torch.isfinite(loss):
        raise NonFiniteLoss(f"the loss became {float(loss)}")
    raise NonFiniteElsewhere("the loss of another process is not finite")
