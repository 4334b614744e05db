"""The one training loop: it draws batches, calls steps and yields records, and knows no method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from histokit.errors import ContractError, NonFiniteLoss
from histokit.interfaces import Batch, Feed, Phase, SourceTarget
from histokit.interfaces.batch import Pair
from histokit.training.updater import NonFiniteElsewhere

OpenFeed = Callable[[Feed, int], Iterator[Batch]]
"""Opens a feed at a step; the batch of a step depends on the step alone."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step.

    Attributes:
        step: steps done so far, 1 after the first.
        total: steps of all phases.
        phase: name of the phase.
        losses: what the step returned, without graph, still on its device.
        keys: keys of the images in the batch.
        waited: seconds spent waiting for the batch.
        seconds: seconds of the whole step, the wait included.
    """

    step: int
    total: int
    phase: str
    losses: Mapping[str, Tensor]
    keys: tuple[str, ...]
    waited: float
    seconds: float


def fit(
    phases: Sequence[Phase],
    open_feed: OpenFeed,
    *,
    start: int = 0,
    restore: Callable[[], None] | None = None,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
    check_every: int = 1,
    anywhere: Callable[[bool], bool] = bool,
) -> Iterator[Step]:
    """Trains through all phases, yielding a record a step.

    Args:
        phases: the plan of the method.
        open_feed: gives the batches of a feed from a step on.
        start: steps already done by an earlier run.
        restore: loads the state of that run. It is called after the `before` of a phase that was
            under way (which may freeze or reset) and before the `before` of one not yet begun, so
            that a resumed run equals one that never stopped.
        autocast: context of each step, for mixed precision.
        check_every: the losses are looked at in steps that this divides, and in the last of a
            phase; looking stalls a GPU.
        anywhere: whether something is so in any of the processes that train together.

    Raises NonFiniteLoss, naming phase, step and images, when a loss is NaN or infinite, and
    NonFiniteElsewhere when one is in another process.
    """
    total = sum(phase.steps for phase in phases)
    end = 0
    for phase in phases:
        begin, end = end, end + phase.steps
        if restore is not None and begin == start:
            restore()
            restore = None
        if phase.before is not None and phase.steps > 0:
            phase.before()
        if end <= start:
            continue
        if restore is not None:
            restore()
            restore = None
        yield from _run_phase(
            phase, open_feed, max(begin, start), end, total, autocast, check_every, anywhere
        )
    if restore is not None:
        restore()


def _run_phase(
    phase: Phase,
    open_feed: OpenFeed,
    first: int,
    end: int,
    total: int,
    autocast: Callable[[], AbstractContextManager[object]],
    check_every: int,
    anywhere: Callable[[bool], bool],
) -> Iterator[Step]:
    batches = open_feed(phase.feed, first)
    unchecked: list[Step] = []
    for step in range(first, end):
        began = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - began
        try:
            with autocast():
                losses = phase.step(batch)
        except NonFiniteElsewhere:
            raise
        except NonFiniteLoss as error:
            raise _non_finite(phase.name, step + 1, batch_keys(batch), error.what) from error
        _check_losses(phase, losses)
        losses = {name: value.detach() for name, value in losses.items()}
        seconds = time.perf_counter() - began
        record = Step(step + 1, total, phase.name, losses, batch_keys(batch), waited, seconds)
        unchecked.append(record)
        if record.step % check_every == 0 or record.step == end:
            _check_finite(unchecked, anywhere)
            unchecked.clear()
        yield record


def batch_keys(batch: Batch) -> tuple[str, ...]:
    """The keys of all images in a batch, the source's before the target's."""
    if isinstance(batch, SourceTarget | Pair):
        return batch.source.keys + batch.target.keys
    return batch.keys


def _check_losses(phase: Phase, losses: object) -> None:
    sound = isinstance(losses, Mapping) and all(
        isinstance(value, Tensor) and value.numel() == 1 for value in losses.values()
    )
    if not sound:
        raise ContractError(
            f"the step of phase {phase.name!r} broke its promise",
            expected="a mapping from names to scalar tensors",
            found=type(losses).__name__,
            hint="report this to the author of the method",
        )


def _check_finite(records: Sequence[Step], anywhere: Callable[[bool], bool]) -> None:
    found = None if _all_finite(records) else _first_not_finite(records)
    if anywhere(found is not None):
        raise found or NonFiniteElsewhere("a loss of another process is not finite")


def _all_finite(records: Sequence[Step]) -> bool:
    sums = [
        torch.stack([value.float().reshape(()) for value in record.losses.values()]).sum()
        for record in records
        if record.losses
    ]
    return not sums or bool(torch.isfinite(torch.stack(sums)).all())


def _first_not_finite(records: Sequence[Step]) -> NonFiniteLoss | None:
    for record in records:
        bad = [name for name, value in record.losses.items() if not torch.isfinite(value).all()]
        if bad:
            what = f"not finite: {', '.join(bad)}"
            return _non_finite(record.phase, record.step, record.keys, what)
    return None  # each is finite; only their sum is too large


def _non_finite(phase: str, step: int, keys: tuple[str, ...], what: str) -> NonFiniteLoss:
    return NonFiniteLoss(
        f"training stopped at step {step} (phase {phase}): {what}",
        expected="finite losses",
        found="a batch of " + ", ".join(keys),
        hint="lower the learning rate, use --precision 32, or look at these images",
    )
