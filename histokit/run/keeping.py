"""What a training leaves in its run folder: its beginning, its states, its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from histokit.errors import HistokitError, NonFiniteLoss
from histokit.interfaces import Method
from histokit.io.checkpoints import save_state, save_weights
from histokit.io.files import read_json, write_json, write_text
from histokit.io.runs import RunFolder
from histokit.run.cards import model_card, weights_card
from histokit.run.domains import Domain
from histokit.run.inputs import labels_read
from histokit.run.machine import Machine
from histokit.run.models import networks_of, weights_of
from histokit.run.plan import RunPlan
from histokit.run.provenance import environment
from histokit.run.state import own_of, restore, state_of
from histokit.training.seed import generator_state
from histokit.training.sharding import whole

FAILED = "failed.ckpt"
"""State saved when a loss was not finite."""
DAMAGED = "damaged.ckpt"
"""State that could not be read when a run was gone on with."""

Best = Mapping[str, Any]
"""Which weights are kept: ``step``, ``score`` and ``what`` the score is; empty before any are."""


@final
@dataclass(frozen=True, slots=True)
class Keeper:
    """Saves a method that is trained. All processes of the training call it alike, as each may
    hold a part of what is saved; the first alone writes.
    """

    plan: RunPlan
    machine: Machine
    run: RunFolder
    method: Method
    domains: Mapping[str, Domain]

    def begin(self, *, resumed: bool) -> None:
        """Writes what a run begins with; a resumed one keeps the files of its beginning."""
        if self.machine.rank != 0:
            return
        self.run.write_state(status="running")
        around = environment(self.machine)
        if resumed:
            self.run.event("resuming", environment=around)
            return
        split = {role: {"ref": d.ref, "split": d.split} for role, d in self.domains.items()}
        write_json(self.run.path / "split.json", split)
        write_json(self.run.environment, {**around, "target_labels": labels_read(self.plan)})
        self.run.event("started", device=self.machine.describe())

    def set_damaged_aside(self) -> None:
        """Takes a last state that cannot be read out of the way; else the next save would put it in
        the place of the sound one before it.
        """
        if self.machine.rank == 0 and self.run.last.exists():
            self.run.last.replace(self.run.last.with_name(DAMAGED))

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Puts back a saved state, which is that of a step."""
        restore(self.method, state, self.run, self.machine.rank)
        if self.machine.rank == 0:
            self.run.forget_metrics_after(step)
            self.run.event("resumed", step=step)

    def save_state(self, step: int, best: Best) -> None:
        """Saves all that is needed to go on, and keeps the state before."""
        several = self.machine.world > 1
        generators = self.machine.gathered(generator_state())
        own = self.machine.gathered(own_of(self.method) if self.machine.rank else {})
        state = state_of(self.method, step, best, generators, own if several else ())
        if self.machine.rank == 0:
            save_state(self.run.last, state, previous=self.run.previous)
            self.run.write_state(status="running", step=step, best=best)
        self.machine.fabric.barrier()

    def save_failed(self, error: NonFiniteLoss, step: int, best: Best) -> NonFiniteLoss:
        """The error with the place of the saved state. The last good state is left as it is.

        Of several processes the first saves, and adds the place to what it tells.
        """
        state = state_of(self.method, step, best, [generator_state()])
        if self.machine.rank != 0:
            return error
        saved = self.run.last.with_name(FAILED)
        try:
            save_state(saved, {**state, "reason": str(error)})
        except HistokitError:
            saved = self.run.last  # the weights themselves are no longer finite
        place = "; ".join(filter(None, (error.found, f"state saved in {saved}")))
        return type(error)(error.what, expected=error.expected, found=place, hint=error.hint)

    def keep_weights(self, best: Best) -> None:
        """Saves the weights as those to use, with their card."""
        self.mode(training=False)
        card = weights_card(self.plan, self.run, self.method, self.machine, self.domains, best)
        self.mode(training=True)
        weights: dict[str, Tensor] = whole(weights_of(self.method.stateful()))
        if self.machine.rank == 0:
            save_weights(self.run.best, weights, card)
            write_json(self.run.best.with_suffix(".json"), card)

    def finish(self, step: int, total: int, best: Best, **told: float) -> None:
        """Says that the run is finished, with what is `told` of it, and writes its card."""
        if self.machine.rank != 0:
            return
        self.run.write_state(status="finished", step=step, total=total, best=best)
        card = read_json(self.run.best.with_suffix(".json"))
        write_text(self.run.path / "card.md", model_card(self.plan.spec, card))
        self.run.event("finished", step=step, **told)

    def mode(self, *, training: bool) -> None:
        """Switches every network between training and use."""
        for network in networks_of(self.method.stateful()).values():
            network.train(training)
