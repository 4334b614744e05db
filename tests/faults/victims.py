"""What is killed: functions that run in processes of their own and say how far they are."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from histokit.errors import DataError
from histokit.io.checkpoints import load_newest, load_state, load_weights, save_state
from histokit.io.runs import RunFolder
from histokit.run.events import Event, ItemDone, Progress, Started
from histokit.run.predict import PredictOptions, predict
from histokit.run.train import resume, train

NUMBERS = 1_000_000
"""Of the tensor that `writing` saves: long enough for a kill to fall into a write."""
PATIENCE = 600.0
"""Seconds after which a process is thought to hang, on a machine with much else to do."""
NO_ROOM = 3
"""Exit code of a process whose disk was full."""


class Told(ctypes.Structure):
    """What a process says of itself: how far it is, and the step that its training began at."""

    _fields_ = (("value", ctypes.c_longlong), ("began", ctypes.c_longlong))


class Life:
    """A process that runs one of the functions below, and the numbers it tells.

    The process is forked from a server that has imported everything, so it begins at once.
    """

    def __init__(self, what: Callable[..., None], *args: Any, **more: Any) -> None:
        own = multiprocessing.get_context("forkserver")
        own.set_forkserver_preload(["histokit.run.train", "histokit_baselines"])
        self.told = own.RawValue(Told, -1, -1)
        self.process: BaseProcess = own.Process(target=what, args=(self.told, *args), kwargs=more)
        self.process.start()

    def reaches(self, number: int) -> bool:
        """Waits until the process told at least a number; False where it ended before."""
        deadline = time.monotonic() + PATIENCE
        while self.told.value < number:
            if not self.process.is_alive():
                return self.told.value >= number
            assert time.monotonic() < deadline, "it hangs"
            time.sleep(0.002)
        return True

    def kill(self) -> bool:
        """Ends the process as ``kill -9`` does; False where it had ended by itself."""
        self.process.kill()
        self.process.join()
        return self.process.exitcode == -signal.SIGKILL

    def end(self) -> None:
        """Waits for the process; fails where it ended badly."""
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0

    def below(self) -> list[int]:
        """The ids of the processes that it started, and that those did."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*"):
            fields = fields_of(int(path.name))
            if fields and fields[0] != "Z":
                parents[int(path.name)] = int(fields[1])
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found - {self.process.pid})


def step_of(run: RunFolder) -> int:
    """The step that a run would go on from; 0 where nothing is saved."""
    if not run.begun:
        return 0
    return int(load_newest(run.last, run.previous)[0]["step"])


def writing(told: Any, folder: Path) -> None:
    """Saves states one after the other, for ever; tells the step of each that is safe."""
    run = RunFolder(folder)
    step = step_of(run)
    while True:
        step += 1
        state = {"step": step, "w": torch.full((NUMBERS,), float(step))}
        save_state(run.last, state, previous=run.previous)
        told.value = step


def training(told: Any, plan: Any, start: str = "") -> None:
    """Trains by a plan; tells 0 when it begins, and each step. Loading processes are started as a
    command of this Python starts them, or in the way that is given.
    """
    ways = multiprocessing.get_all_start_methods()  # the default first
    multiprocessing.set_start_method(start or ways[0], force=True)
    list(_followed(told, train(plan)))


def going_on(told: Any, run: Path) -> None:
    """Goes on with a run; tells the step it begins at, and each step."""
    list(_followed(told, resume(run)))


def dying_between_names(told: Any, run: Path) -> None:
    """Goes on with a run until the state before has its new name and the next has none, and dies
    there, as by ``kill -9``.
    """
    rename = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target).name == RunFolder(run).last.name:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target)

    with mock.patch.object(os, "replace", replace):
        going_on(told, run)


def filling_up(told: Any, run: Path) -> None:
    """Goes on with a run until, after two steps, no file can grow; ends with `NO_ROOM`."""
    try:
        for number, _ in enumerate(_followed(told, resume(run))):
            if number == 2:
                _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    except DataError:
        sys.exit(NO_ROOM)


def predicting(told: Any, inputs: Path, out: Path, run: Path) -> None:
    """Predicts label maps of a folder; tells how many images are done."""
    options = PredictOptions(str(run), [inputs], out, device="cpu", formats=("labels",))
    for event in predict(options):
        if isinstance(event, ItemDone):
            told.value = event.number


def _followed(told: Any, events: Iterator[Event]) -> Iterator[Event]:
    """The beginning and the steps of a training, told."""
    for event in events:
        if isinstance(event, Started):
            told.began = event.step
        if isinstance(event, Started | Progress):
            told.value = event.step
            yield event


def made_of(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor, number and word of a nested value with its place, to compare bit by bit."""
    if isinstance(value, torch.Tensor):
        yield where, (value.dtype, value.shape, value.numpy().tobytes())
    elif isinstance(value, dict):
        for key in value:
            yield from made_of(value[key], f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from made_of(item, f"{where}[{place}]")
    else:
        yield where, value


def contents(path: Path) -> dict[str, Any]:
    """All that the results of a training are: its last state, its weights and its curves."""
    run = RunFolder(path)
    whole = {"last": load_state(run.last), "best": load_weights(run.best)[0]}
    return {**dict(made_of(whole)), "metrics": run.metrics()}


def fields_of(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """Whether there is a process of this id that is no zombie."""
    return fields_of(pid)[:1] not in ([], ["Z"])


@contextmanager
def nobody_left(*pids: int) -> Iterator[None]:
    """Ends, after the block, those processes that are still there."""
    try:
        yield
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)
