"""Training that runs out of memory: what to lower, and the batch that fits, found by trying."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from histokit.errors import DeviceError
from histokit.interfaces import Batch, Labelled, Pair, Phase, SourceTarget, Unlabelled
from histokit.run.machine import told_out_of_memory
from histokit.training.loop import OpenFeed

LOWER = "lower --batch or --tile, or use --precision bf16"


def memory_hint() -> AbstractContextManager[None]:
    """Tells what to lower where training runs out of memory."""
    return told_out_of_memory(LOWER)


def with_batch(
    error: DeviceError,
    phases: Sequence[Phase],
    open_feed: OpenFeed,
    step: int,
    autocast: Callable[[], AbstractContextManager[object]],
) -> DeviceError:
    """The error of the step after `step`, with a batch that fits if one is found. The weights are
    of no use afterwards: smaller steps are tried.
    """
    if error.__cause__ is not None:
        traceback.clear_frames(error.__cause__.__traceback__)  # which hold what the step took
    fits = batch_that_fits(phases, open_feed, step, autocast)
    hint = f"--batch {fits}, with which a step fits; or {LOWER}" if fits else error.hint
    return DeviceError(error.what, expected=error.expected, found=error.found, hint=hint)


def batch_that_fits(
    phases: Sequence[Phase],
    open_feed: OpenFeed,
    step: int,
    autocast: Callable[[], AbstractContextManager[object]],
) -> int:
    """The images of a batch, half of those asked for or half of that and so on, with which the
    step after `step` runs; 0 where none is found. The weights are of no use afterwards.
    """
    phase = _phase_of(phases, step)
    batch = next(open_feed(phase.feed, step))
    count = _size(batch) // 2
    while count:
        try:
            with told_out_of_memory(""), autocast():
                phase.step(_first(batch, count))
        except DeviceError:
            count //= 2
        except Exception:  # a method may take no such batch; what is told is the want of memory
            return 0
        else:
            return count
    return 0


def _phase_of(phases: Sequence[Phase], step: int) -> Phase:
    """The phase that is under way after some steps."""
    for phase in phases:
        if step < phase.steps:
            return phase
        step -= phase.steps
    return phases[-1]


def _size(batch: Batch) -> int:
    """Images of one side of a batch, as ``--batch`` counts them."""
    return len(batch.source.keys if isinstance(batch, Pair | SourceTarget) else batch.keys)


def _first(batch: Batch, count: int) -> Batch:
    """The first images of a batch."""
    if isinstance(batch, SourceTarget):
        return SourceTarget(_labelled(batch.source, count), _unlabelled(batch.target, count))
    if isinstance(batch, Pair):
        return Pair(_unlabelled(batch.source, count), _unlabelled(batch.target, count))
    if isinstance(batch, Labelled):
        return _labelled(batch, count)
    return _unlabelled(batch, count)


def _labelled(batch: Labelled, count: int) -> Labelled:
    classes = None if batch.classes is None else batch.classes[:count]
    return Labelled(batch.images[:count], batch.ids[:count], classes, batch.keys[:count])


def _unlabelled(batch: Unlabelled, count: int) -> Unlabelled:
    return Unlabelled(batch.images[:count], batch.keys[:count])
