"""Draws of step after step, read ahead by other processes that are started again when they die."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterator
from multiprocessing.connection import wait
from threading import Thread
from typing import final

import torch
from torch.utils.data import DataLoader, Sampler

from histokit.data.draws import Draws, Steps
from histokit.errors import DataError

AHEAD = 4
"""Batches that each process reads ahead."""
RESTARTS = 2
"""How often loading processes may die before training stops."""
_DEATH = re.compile(r"DataLoader worker \(pid")
"""How torch tells of a process that was killed or crashed."""
_LOST = (EOFError, ConnectionError, FileNotFoundError)
"""What is raised where a process died between announcing a batch and handing it over."""
_CAUGHT = "in DataLoader worker process"
"""Stands in errors that were raised in a process, which lives on."""


def load(steps: Steps, start: int, workers: int, *, pinned: bool) -> Iterator[list[Draws]]:
    """The draws of step `start` and of all after it.

    Where a loading process dies, loading begins again at the step that is awaited; what a step
    draws depends on its number alone, so nothing is lost or doubled. The last attempt has one
    process that reads one batch at a time, so that the images at fault are known.

    Raises DataError, naming the images of the step, after `RESTARTS` attempts.
    """
    step, deaths = start, 0
    while True:
        last_try = deaths == RESTARTS
        loader = _loader(steps, step, min(workers, 1) if last_try else workers, pinned, last_try)
        try:
            for draws in loader:
                yield draws
                step += 1
        except (RuntimeError, *_LOST) as error:
            if not workers or not _is_death(error):
                raise
            if last_try:
                raise _died(steps.keys(step), error) from error
            deaths += 1


def _loader(
    steps: Steps, start: int, workers: int, pinned: bool, one_by_one: bool
) -> DataLoader[list[Draws]]:
    return DataLoader(
        steps,
        sampler=_From(start),
        batch_size=None,
        num_workers=workers,
        pin_memory=pinned,
        persistent_workers=workers > 0,
        prefetch_factor=(1 if one_by_one else AHEAD) if workers else None,
        generator=torch.Generator(),  # else a new loader would move the global generator
        worker_init_fn=_end_with_parent,
    )


def _end_with_parent(_: int) -> None:
    """Lets a loading process end as soon as the one that trains is gone, however it went. Torch
    looks at the parent of the process alone, which may be a fork server that lives on.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)  # the main thread may be anywhere in a decoder

    Thread(target=watch, name="end with parent", daemon=True).start()


def _is_death(error: Exception) -> bool:
    text = str(error)
    found = _DEATH.search(text) is not None if isinstance(error, RuntimeError) else True
    return found and _CAUGHT not in text


def _died(keys: list[str], error: Exception) -> DataError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return DataError(
        f"the process that loads images died {RESTARTS + 1} times",
        expected="images that can be decoded in the memory there is",
        found=f"{reason}; the images of this step: {', '.join(dict.fromkeys(keys))}",
        hint="look at these images, or free memory; then go on with --resume, or with --workers 0",
    )


@final
class _From(Sampler[int]):
    """The whole numbers from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1
