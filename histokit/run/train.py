"""`histokit train`: from a plan to a finished run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from histokit.data.feeds import Feeds, FeedSettings, Pool
from histokit.errors import HistokitError, Interrupted, NonFiniteLoss
from histokit.interfaces import Access, Adapter, Method, Segmenter, Stateful
from histokit.io.checkpoints import load_state, save_state, save_weights
from histokit.io.files import read_json, write_json
from histokit.io.runs import RunFolder
from histokit.run.cards import model_card, weights_card
from histokit.run.context import RunContext
from histokit.run.domains import Domain, at_mpp, open_domain
from histokit.run.events import Event, Noted, Progress, Started, Trained, Validated
from histokit.run.machine import Machine, open_machine, told_out_of_memory
from histokit.run.models import networks_of, weights_of
from histokit.run.plan import RunPlan, plan_of_run
from histokit.run.provenance import environment
from histokit.run.signals import Stop, stop_on_request
from histokit.run.validate import mean_dice
from histokit.training.loop import Record, fit
from histokit.training.seed import generator_state, restore_generators, seed_everything

FAILED = "failed.ckpt"
"""State saved when a loss was not finite."""
GPU_CHECK = 20
"""Steps between two looks at the losses on a GPU."""


def train(plan: RunPlan) -> Iterator[Event]:
    """Trains once for each repeat, with seeds counting up; yields what happens."""
    for number in range(plan.run.repeats):
        once = plan.with_seed(plan.run.seed + number)
        machine = _machine(once)
        run = _shared_folder(once, machine)
        yield from _train(once, machine, run, resume=False)


def resume(path: Path) -> Iterator[Event]:
    """Goes on with a run that was stopped; its result equals one that never stopped."""
    run = RunFolder.open(path)
    plan = plan_of_run(run.settings())
    machine = _machine(plan)
    if run.state().get("status") == "finished":
        yield Noted(f"{run.path} is finished; nothing to do")
        return
    yield from _train(plan, machine, run, resume=run.last.exists())


def _machine(plan: RunPlan) -> Machine:
    run = plan.run
    return open_machine(
        run.device, run.precision, devices=run.devices, nodes=run.nodes, threads=run.threads
    )


def _shared_folder(plan: RunPlan, machine: Machine) -> RunFolder:
    path = ""
    if machine.rank == 0:
        run = RunFolder.create(plan.run.runs, plan.spec.name, plan.digest())
        run.write_settings(plan.settings())
        path = str(run.path)
    return RunFolder(Path(machine.fabric.broadcast(path)))


def _train(plan: RunPlan, machine: Machine, run: RunFolder, *, resume: bool) -> Iterator[Event]:
    with run.lock() if machine.rank == 0 else nullcontext():
        try:
            yield from _Session.begin(plan, machine, run, resume=resume).go()
        except (HistokitError, KeyboardInterrupt) as error:
            if machine.rank == 0:
                status = "interrupted" if isinstance(error, Interrupted) else "failed"
                what = error.what if isinstance(error, HistokitError) else "killed by the user"
                run.write_state(status=status, reason=what)
                run.event(status, reason=what)
                run.log(f"{status}: {error}")
            raise


@dataclass
class _Session:
    """One training in one process."""

    plan: RunPlan
    machine: Machine
    run: RunFolder
    method: Method
    feeds: Feeds
    domains: Mapping[str, Domain]
    restored: dict[str, Any] | None
    notes: list[str]
    best: dict[str, Any] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    step: int = 0

    @classmethod
    def begin(cls, plan: RunPlan, machine: Machine, run: RunFolder, *, resume: bool) -> _Session:
        """Opens the data, builds the method, and reads the saved state where there is one."""
        state = load_state(run.last) if resume else None
        split = read_json(run.path / "split.json") if resume else None
        domains, notes = _open_domains(plan, split)
        seed_everything(plan.run.seed, deterministic=plan.run.deterministic)
        labelled = domains.get("source") or domains.get("target")
        mpp = labelled.mpp if labelled else None
        tile = int(getattr(plan.config, "tile", 256))
        context = RunContext(machine, plan.run.seed, tile=tile, mpp=mpp, runs=plan.run.runs)
        method: Method = plan.spec.load().build(plan.config, context)
        seed_everything(plan.run.seed + machine.rank, deterministic=plan.run.deterministic)
        feeds = _open_feeds(plan, machine, domains)
        if machine.rank == 0:
            _write_beginning(plan, machine, run, domains)
        session = cls(plan, machine, run, method, feeds, domains, state, notes)
        if state is not None:
            session.step = int(state["step"])
            session.best = dict(state["best"])
        return session

    @property
    def last_phase_from(self) -> int:
        """The step at which the last phase begins; weights are kept from there on."""
        return sum(phase.steps for phase in self.method.phases()[:-1])

    def go(self) -> Iterator[Event]:
        """Trains to the end."""
        phases = self.method.phases()
        plan = {phase.name: phase.steps for phase in phases}
        total = sum(plan.values())
        began = time.perf_counter()
        yield Started(self.run.path, self.machine.describe(), plan, self.step, total)
        yield from (self._said(Noted(note)) for note in self.notes)
        self._mode(training=True)
        if self.restored is None:
            self._save_state()
        with stop_on_request() as stop, _memory_hint():
            try:
                yield from self._steps(total, stop)
            except NonFiniteLoss as error:
                raise self._failed(error) from error
        yield from self._finish(total, time.perf_counter() - began)

    def _steps(self, total: int, stop: Stop) -> Iterator[Event]:
        meter = _Meter(self.machine.world)
        records = fit(
            self.method.phases(),
            self.feeds.open,
            start=self.step,
            restore=self._restore if self.restored is not None else None,
            autocast=self.machine.autocast,
            check_every=GPU_CHECK if self.machine.on_gpu else 1,
        )
        how = self.plan.run
        for record in records:
            self.step = record.step
            meter.add(record)
            last = record.step == total
            if record.step % how.log_every == 0 or last:
                yield from self._logged(record, meter)
            if record.step % how.val_every == 0 or last:
                yield from self._validated(last)
                meter.restart()
            if record.step % how.checkpoint_every == 0 or last or stop:
                self._save_state()
                meter.restart()
            if stop and not last:
                raise self._interrupted(stop)

    def _logged(self, record: Record, meter: _Meter) -> Iterator[Event]:
        losses = {name: float(value) for name, value in record.losses.items()}
        progress = meter.progress(record, losses)
        if self.machine.rank == 0:
            self.run.add_metrics(record.step, record.phase, losses)
            speed = {"images_per_second": progress.images_per_second, "waited": progress.waited}
            self.run.event("progress", step=record.step, phase=record.phase, **losses, **speed)
        yield progress
        for text in self.method.warnings(losses, record.step):
            if text not in self.told:
                self.told.add(text)
                yield self._said(Noted(text, warning=True))

    def _validated(self, last: bool) -> Iterator[Event]:
        """Measures, and keeps the weights where they are the best of the last phase."""
        if self.machine.rank != 0:
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
            self._keep_weights()
        if score is not None:
            self.run.add_metrics(self.step, "validation", {what: score})
            yield self._said(Validated(self.step, what, score, better))
        self.machine.fabric.barrier()

    def _score(self) -> tuple[float | None, str]:
        """Dice on the validation images that the selection rule reads."""
        role = "target" if self.plan.run.selection == "target-val-oracle" else "source"
        if self.plan.spec.access is Access.TARGET_LABELS:
            role = "target"
        domain = self.domains.get(role)
        method = self.method
        segmenter = method.segmenter() if isinstance(method, Adapter) else method
        if domain is None or not isinstance(segmenter, Segmenter) or not domain.part("val"):
            return None, ""
        self._mode(training=False)
        score = mean_dice(segmenter, domain, domain.part("val"), self.machine)
        self._mode(training=True)
        return score, f"{role} validation dice"

    def _mode(self, *, training: bool) -> None:
        for network in networks_of(self.method.stateful()).values():
            network.train(training)

    def _restore(self) -> None:
        state = self.restored or {}
        for name, item in self.method.stateful().items():
            item.load_state_dict(state["stateful"][name])
        restore_generators(state["generators"])
        if self.machine.rank == 0:
            self.run.forget_metrics_after(self.step)
            self.run.event("resumed", step=self.step)

    def _state(self) -> dict[str, Any]:
        stateful: Mapping[str, Stateful] = self.method.stateful()
        return {
            "step": self.step,
            "best": self.best,
            "stateful": {name: item.state_dict() for name, item in stateful.items()},
            "generators": generator_state(),
        }

    def _save_state(self) -> None:
        if self.machine.rank == 0:
            save_state(self.run.last, self._state())
            self.run.write_state(status="running", step=self.step, best=self.best)
        self.machine.fabric.barrier()

    def _keep_weights(self) -> None:
        self._mode(training=False)
        card = weights_card(self.plan, self.run, self.method, self.machine, self.domains, self.best)
        self._mode(training=True)
        weights: dict[str, Tensor] = weights_of(self.method.stateful())
        save_weights(self.run.best, weights, card)
        write_json(self.run.best.with_suffix(".json"), card)

    def _finish(self, total: int, seconds: float) -> Iterator[Event]:
        if total == 0 and self.machine.rank == 0:
            self.best = {"step": 0, "score": None, "what": ""}
            self._keep_weights()
        if self.machine.rank == 0:
            self.run.write_state(status="finished", step=self.step, total=total, best=self.best)
            card = read_json(self.run.best.with_suffix(".json"))
            (self.run.path / "card.md").write_text(model_card(self.plan, card), encoding="utf-8")
            self.run.event("finished", step=self.step, seconds=seconds)
        step, score = int(self.best.get("step", 0)), self.best.get("score")
        yield Trained(self.run.path, step, score, self.plan.run.selection, seconds)

    def _interrupted(self, stop: Stop) -> Interrupted:
        return Interrupted(
            f"stopped by {stop.reason} at step {self.step}; the state is saved",
            found=str(self.run.last),
            hint=f"histokit train {self.plan.spec.name} --resume {self.run.path}",
        )

    def _failed(self, error: NonFiniteLoss) -> NonFiniteLoss:
        """The error with the place of the saved state. The last good state is left as it is."""
        saved = self.run.last.with_name(FAILED)
        try:
            save_state(saved, {**self._state(), "reason": str(error)})
        except HistokitError:
            saved = self.run.last  # the weights themselves are no longer finite
        place = f"{error.found}; state saved in {saved}"
        return NonFiniteLoss(error.what, expected=error.expected, found=place, hint=error.hint)

    def _said(self, event: Event) -> Event:
        if self.machine.rank == 0:
            self.run.log(_in_words(event))
        return event


class _Meter:
    """Speed and waiting since the last look."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.restart()

    def restart(self) -> None:
        self.since = time.perf_counter()
        self.steps = self.images = 0
        self.waited = 0.0

    def add(self, record: Record) -> None:
        self.steps += 1
        self.images += len(record.keys) * self.world
        self.waited += record.waited

    def progress(self, record: Record, losses: Mapping[str, float]) -> Progress:
        seconds = max(time.perf_counter() - self.since, 1e-9)
        left = (record.total - record.step) * seconds / max(self.steps, 1)
        speed, waited = self.images / seconds, self.waited / seconds
        self.restart()
        return Progress(record.step, record.total, record.phase, losses, speed, left, waited)


def _open_domains(
    plan: RunPlan, split: Mapping[str, Any] | None
) -> tuple[dict[str, Domain], list[str]]:
    """The data sets that the method may read, at one pixel size, and lines about them."""
    wanted = {"source": plan.run.source, "target": plan.run.target}
    if plan.spec.access in (Access.SOURCE, Access.NOTHING):
        wanted.pop("target")
    if plan.spec.access in (Access.TARGET_LABELS, Access.NOTHING):
        wanted.pop("source")
    domains = {
        role: open_domain(
            ref,
            data_root=plan.run.data_root,
            shares=plan.run.split,
            split_seed=plan.run.split_seed,
            split=split[role]["split"] if split else None,
        )
        for role, ref in wanted.items()
        if ref
    }
    mpp = plan.run.mpp or _common_mpp(domains)
    notes = []
    for role, domain in domains.items():
        domains[role], note = at_mpp(domain, mpp)
        notes += [note] if note else []
    return domains, notes


def _common_mpp(domains: Mapping[str, Domain]) -> float | None:
    """The pixel size of the labelled data set, or of the other where that is unknown."""
    for domain in domains.values():
        sizes = [size for r in domain.data.records() if (size := domain.native_mpp(r)) is not None]
        if sizes:
            return sorted(sizes)[len(sizes) // 2]
    return None


def _open_feeds(plan: RunPlan, machine: Machine, domains: Mapping[str, Domain]) -> Feeds:
    config = plan.config
    settings = FeedSettings(
        batch=int(getattr(config, "batch", 4)),
        side=int(getattr(config, "tile", 256)),
        augment=getattr(config, "augment", "none"),
        seed=plan.run.seed,
        rank=machine.rank,
        world=machine.world,
    )
    workers = plan.run.workers if plan.run.workers >= 0 else (4 if machine.on_gpu else 0)
    labelled_role = "target" if plan.spec.access is Access.TARGET_LABELS else "source"
    pools: dict[str, Pool] = {}
    for role, domain in domains.items():
        shut = role != labelled_role or plan.spec.access is Access.IMAGES
        name = f"{role}:{domain.name}"
        labels = None if shut else domain.labels
        pools[role] = Pool(name, domain.part("train"), domain.image, labels)
    labelled = pools.get(labelled_role)
    target = pools.get("target") if labelled_role == "source" else None
    return Feeds(labelled, target, settings, machine.device, workers)


def _write_beginning(
    plan: RunPlan, machine: Machine, run: RunFolder, domains: Mapping[str, Domain]
) -> None:
    split = {role: {"ref": d.ref, "split": d.split} for role, d in domains.items()}
    write_json(run.path / "split.json", split)
    write_json(run.path / "env.json", {**environment(machine), "target_labels": labels_read(plan)})
    run.write_state(status="running")
    run.event("started", device=machine.describe())


def labels_read(plan: RunPlan) -> str:
    """What the run reads of the target's labels, in words."""
    if plan.spec.access is Access.TARGET_LABELS:
        return "read for training and validation: an upper bound, not adaptation"
    if plan.run.selection == "target-val-oracle":
        return "read on target validation images to choose the weights: an upper bound"
    return "never read"


def _memory_hint() -> Any:
    return told_out_of_memory("lower --batch or --tile, or use --precision bf16")


def _in_words(event: Event) -> str:
    if isinstance(event, Validated):
        kept = " (kept)" if event.best else ""
        return f"step {event.step}: {event.what} {event.value:.4f}{kept}"
    return event.text if isinstance(event, Noted) else repr(event)
