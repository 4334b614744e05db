"""One training in one process: from opened data to kept weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import gcd
from typing import Any

from histokit.data.feeds import Feeds
from histokit.errors import DeviceError, Interrupted, NonFiniteLoss
from histokit.interfaces import Method
from histokit.io.checkpoints import load_newest
from histokit.io.files import read_json
from histokit.io.runs import RunFolder
from histokit.run.context import context_of
from histokit.run.events import Event, Finished, Noted, Started, Validated
from histokit.run.fitting import memory_hint, with_batch
from histokit.run.fsdp import spread_weights
from histokit.run.hasten import hasten
from histokit.run.inputs import open_domains, open_feeds
from histokit.run.keeping import Keeper
from histokit.run.machine import Machine
from histokit.run.meter import Meter
from histokit.run.models import networks_of
from histokit.run.plan import RunPlan
from histokit.run.planned import narrow_windows, settled
from histokit.run.rhythm import Rhythm
from histokit.run.signals import Stop, stop_on_request
from histokit.run.state import require_whole
from histokit.run.tensorboard import Scalars, tensorboard
from histokit.run.validate import mean_dice, to_validate
from histokit.training.batchnorm import synchronise_batchnorm
from histokit.training.loop import Step, fit
from histokit.training.seed import seed_everything

GPU_CHECK = 20
"""Most steps between two looks at the losses on a GPU, where looking stalls the device."""
SLOW_DATA = 0.1
"""Share of the time spent waiting for data from which on the user is told."""


@dataclass
class Session:
    """A run under way: the method, its data, and how far it is."""

    keeper: Keeper
    feeds: Feeds
    meter: Meter
    restored: dict[str, Any] | None
    notes: list[str]
    best: dict[str, Any] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    step: int = 0
    rhythm: Rhythm = field(init=False)

    def __post_init__(self) -> None:
        self.rhythm = Rhythm(self.plan.run.checkpoint_minutes)

    @property
    def plan(self) -> RunPlan:
        """What was asked."""
        return self.keeper.plan

    @property
    def machine(self) -> Machine:
        """Where it runs."""
        return self.keeper.machine

    @property
    def run(self) -> RunFolder:
        """Where it is kept."""
        return self.keeper.run

    @property
    def method(self) -> Method:
        """What is trained."""
        return self.keeper.method

    @classmethod
    def begin(cls, plan: RunPlan, machine: Machine, run: RunFolder, *, resume: bool) -> Session:
        """Opens the data, builds the method, and reads the saved state where there is one."""
        state, older = load_newest(run.last, run.previous) if resume else (None, "")
        split = read_json(run.path / "split.json") if resume else None
        domains, notes = open_domains(plan, split)
        asked = plan.digest()  # a sweep knows the run again by what it asked for
        plan, domains, chosen = settled(plan, domains)
        notes += [*chosen, *filter(None, [older])]
        if chosen and machine.rank == 0:
            run.write_settings({**plan.settings(), "digest": asked})
        seed_everything(plan.run.seed, deterministic=plan.run.deterministic)
        context = context_of(plan, machine, domains)
        method: Method = plan.spec.load().build(plan.config, context)
        notes += narrow_windows(method, context.tile)
        networks = networks_of(method.stateful()).values()
        machine.share(networks)
        if plan.run.sync_batchnorm and machine.world > 1:
            synchronise_batchnorm(networks)
        hasten(networks, channels_last=plan.run.channels_last, compiled=plan.run.compile)
        if machine.sharded:
            spread_weights(plan.spec, method, machine)
        seed_everything(plan.run.seed + machine.rank, deterministic=plan.run.deterministic)
        feeds = open_feeds(plan, machine, domains)
        keeper = Keeper(plan, machine, run, method, domains)
        keeper.begin(resumed=state is not None)
        session = cls(keeper, feeds, Meter(machine.world), state, notes)
        if state is not None:
            require_whole(state, run, machine)
            if older:
                keeper.set_damaged_aside()
            session.step = int(state["step"])
            session.best = dict(state["best"])
        return session

    @property
    def last_phase_from(self) -> int:
        """The step at which the last phase with steps begins; weights are kept from there on."""
        steps = [phase.steps for phase in self.method.phases() if phase.steps]
        return sum(steps[:-1])

    def go(self) -> Iterator[Event]:
        """Trains to the end."""
        phases = self.method.phases()
        plan = {phase.name: phase.steps for phase in phases}
        total = sum(plan.values())
        began = time.perf_counter()
        yield self._said(Started(self.run.path, self.machine.describe(), plan, self.step, total))
        yield from (self._said(Noted(note)) for note in self.notes)
        self.keeper.mode(training=True)
        if self.restored is None:
            self._save_state()
        with stop_on_request() as stop, memory_hint(), self._drawing() as draw:
            try:
                yield from self._steps(total, stop, draw)
            except NonFiniteLoss as error:
                raise self.keeper.save_failed(error, self.step, self.best) from error
        yield from self._finish(total, time.perf_counter() - began)

    def _drawing(self) -> AbstractContextManager[Scalars | None]:
        """Where losses and scores are drawn; nowhere without ``--tensorboard``."""
        if not self.plan.run.tensorboard or self.machine.rank != 0:
            return nullcontext()
        return tensorboard(self.run.path / "tensorboard", start=self.step)

    def _trained(self) -> Iterator[Step]:
        """The steps. Raises DeviceError, with a batch that fits, where memory runs out in one."""
        how = self.plan.run
        look = gcd(GPU_CHECK, how.log_every, how.val_every, how.checkpoint_every)
        records = fit(
            self.method.phases(),
            self.feeds.open,
            start=self.step,
            restore=self._restore if self.restored is not None else None,
            autocast=self.machine.autocast,
            check_every=look if self.machine.on_gpu else 1,
            anywhere=self.machine.anywhere,
        )
        try:
            with memory_hint():
                yield from records
        except DeviceError as error:
            if self.machine.world > 1:  # the other processes would not try
                raise
            context = (self.method.phases(), self.feeds.open, self.step, self.machine.autocast)
            raise with_batch(error, *context) from error.__cause__

    def _steps(self, total: int, stop: Stop, draw: Scalars | None) -> Iterator[Event]:
        how = self.plan.run
        for record in self._trained():
            self.step = record.step
            self.meter.add(record)
            last = record.step == total
            if record.step % how.log_every == 0 or last:
                yield from self._logged(record, draw)
            if record.step % how.val_every == 0 or last:
                with self.meter.paused():
                    yield from self._validated(last, draw)
            reason, late = self._agreed(stop)
            if record.step % how.checkpoint_every == 0 or last or reason or late:
                with self.meter.paused():
                    self._save_state()
            if reason and not last:
                raise self._interrupted(reason)

    def _agreed(self, stop: Stop) -> tuple[str, bool]:
        """The signal that asked to stop, or nothing; and whether it is time to save.

        Several processes compare notes when they look at the losses, so that all of them stop and
        save after the same step. It is never time to save between logs: a GPU's losses may not be
        looked at yet.
        """
        logged = self.step % self.plan.run.log_every == 0
        late = logged and self.rhythm.late
        if self.machine.world == 1:
            return stop.reason, late
        looked = logged or not self.machine.on_gpu
        if not looked or not self.machine.anywhere(bool(stop.reason) or late):
            return "", False
        notes = self.machine.gathered((stop.reason, late))
        return next((reason for reason, _ in notes if reason), ""), any(save for _, save in notes)

    def _logged(self, record: Step, draw: Scalars | None) -> Iterator[Event]:
        own = {name: float(value.detach()) for name, value in record.losses.items()}
        losses = self.machine.means(own)
        progress = self.meter.progress(record, losses)
        if draw is not None:
            draw(record.step, record.phase, losses)
        if self.machine.rank == 0:
            self.run.add_metrics(record.step, record.phase, losses)
            speed = {"images_per_second": progress.images_per_second, "waited": progress.waited}
            where = {"step": record.step, "phase": record.phase}
            self.run.event("progress", **where, losses=losses, **speed)
        yield progress
        for text in self.method.warnings(losses, record.step):
            if text not in self.told:
                self.told.add(text)
                yield self._said(Noted(text, warning=True))

    def _validated(self, last: bool, draw: Scalars | None) -> Iterator[Event]:
        """Measures, and keeps the weights where they are the best of the last phase.

        The first process alone does so, unless each has only a part of the weights: then all walk
        through the same images, and the first tells.
        """
        if self.machine.rank != 0 and not self.machine.sharded:
            self.machine.fabric.barrier()
            return
        selection = self.plan.run.selection
        score, what = self._score()
        eligible = self.step > self.last_phase_from
        if selection == "last" or score is None:
            better = last
        else:
            better = eligible and score > self.best.get("score", float("-inf"))
        if better:
            self.best = {"step": self.step, "score": score, "what": what}
            self.keeper.keep_weights(self.best)
        if score is not None:
            if draw is not None:
                draw(self.step, "validation", {what: score})
            if self.machine.rank == 0:
                self.run.add_metrics(self.step, "validation", {what: score})
            yield self._said(Validated(self.step, what, score, better))
        self.machine.fabric.barrier()

    def _score(self) -> tuple[float | None, str]:
        """Dice on the validation images that the selection rule reads."""
        found = to_validate(self.plan, self.method, self.keeper.domains)
        if found is None:
            return None, ""
        segmenter, domain, what = found
        self.keeper.mode(training=False)
        score = mean_dice(segmenter, domain, domain.part("val"), self.machine)
        self.keeper.mode(training=True)
        return self.machine.gathered(score)[0] if self.machine.sharded else score, what

    def _restore(self) -> None:
        state, self.restored = self.restored or {}, None
        self.keeper.restore(state, self.step)

    def _save_state(self) -> None:
        self.keeper.save_state(self.step, self.best)
        self.rhythm.saved()

    def _finish(self, total: int, seconds: float) -> Iterator[Event]:
        if total == 0 and (self.machine.rank == 0 or self.machine.sharded):
            self.best = {"step": 0, "score": None, "what": ""}
            self.keeper.keep_weights(self.best)
        told = {"seconds": seconds, "waited": self.meter.waited}
        self.keeper.finish(self.step, total, self.best, **told)
        if total and self.meter.waited >= SLOW_DATA:
            yield self._said(Noted(_slow_data(self.meter.waited, self.feeds.workers)))
        step, score = int(self.best.get("step", 0)), self.best.get("score")
        selection = "last" if score is None else self.plan.run.selection
        yield self._said(Finished(self.run.path, step, score, selection, seconds))

    def _interrupted(self, reason: str) -> Interrupted:
        return Interrupted(
            f"stopped by {reason} at step {self.step}; the state is saved",
            found=str(self.run.last),
            hint=f"histokit train {self.plan.spec.name} --resume {self.run.path}",
        )

    def _said(self, event: Event) -> Event:
        if self.machine.rank == 0:
            self.run.log(_in_words(event))
        return event


def _in_words(event: Event) -> str:
    if isinstance(event, Validated):
        kept = " (kept)" if event.best else ""
        return f"step {event.step}: {event.what} {event.value:.4f}{kept}"
    if isinstance(event, Started):
        phases = ", ".join(f"{name} {steps}" for name, steps in event.phases.items()) or "none"
        return f"from step {event.step} on {event.device}; steps: {phases}"
    if isinstance(event, Finished):
        return f"finished in {event.seconds:.0f} s; kept the weights of step {event.step}"
    return event.text if isinstance(event, Noted) else repr(event)


def _slow_data(waited: float, workers: int) -> str:
    return (
        f"{waited:.0%} of the training time went into waiting for data, "
        f"with {workers} loading processes; --workers {max(2, 2 * workers)} may be faster"
    )
