"""Small stand-ins for what a command works on: a machine, a segmenter, a plan and a trained run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histokit.errors import Interrupted
from histokit.interfaces import (
    Feed,
    Instances,
    Labelled,
    Maps,
    Pair,
    Segmenter,
    Sizes,
    SourceTarget,
    Translator,
    Unlabelled,
)
from histokit.io.runs import RunFolder
from histokit.postprocess.watershed import watershed
from histokit.run.events import Event, Finished, Progress, Started
from histokit.run.machine import Machine, open_machine
from histokit.run.plan import RunPlan, make_plan
from histokit.run.train import train

KIND_OF_BATCH = {
    Feed.LABELLED: Labelled,
    Feed.UNLABELLED: Unlabelled,
    Feed.PAIRED: Pair,
    Feed.UNPAIRED: Pair,
    Feed.SOURCE_TARGET: SourceTarget,
}
"""The batch that each feed gives."""
STEPS = {"source-only": {"steps": 2}, "adabn": {"steps": 2, "adabn_steps": 6}}


def cpu() -> Machine:
    """One thread of this machine's CPU."""
    return open_machine("cpu", threads=1)


class Toy(Segmenter):
    """A segmenter out of a function of images [B 3 H W] that gives maps."""

    def __init__(self, answer: Callable[[Tensor], Any], sizes: Sizes | None = None) -> None:
        self.answer = answer
        self.own_sizes = sizes or Sizes()

    @property
    def sizes(self) -> Sizes:
        return self.own_sizes

    def segment(self, images: Tensor) -> Any:
        return self.answer(images)

    def decode(self, maps: Maps) -> Instances:
        return watershed(maps.logits[0, 0].sigmoid().numpy(), min_area=1)


def darkness(images: Tensor) -> Maps:
    """Logits above 0 where an image is darker than the middle."""
    return Maps((0.5 - images.mean(1, keepdim=True)) * 20, "sigmoid")


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random pixels, uint8 [H W 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plan(method: str, pair: tuple[str, ...], runs: Path, **values: Any) -> RunPlan:
    """A plan of a few small steps on the `pair` fixture; `values` override settings of the run,
    and those of the method where they are in ``method_values``."""
    own = {"network": "unet-small", "tile": 32, "batch": 2, **STEPS.get(method, {})}
    run = {
        "source": pair[1],
        "target": pair[3],
        "split": "0.5,0.25,0.25",
        "runs": runs,
        "device": "cpu",
        "threads": 1,
        **values,
    }
    return make_plan(method, method_values=own | run.pop("method_values", {}), run_values=run)


def trained(plan: RunPlan) -> tuple[Path, list[Event]]:
    """The run folder of a finished training, and what was told."""
    events = list(train(plan))
    (path,) = [event.run for event in events if isinstance(event, Finished)]
    torch.use_deterministic_algorithms(False)
    return path, events


def stopped_at(step: int, plan: RunPlan) -> Path:
    """The run folder of a training that was asked to stop after a step."""
    run = None
    try:
        for event in train(plan):
            if isinstance(event, Started):
                run = event.run
            if isinstance(event, Progress) and event.step == step:
                os.kill(os.getpid(), signal.SIGTERM)
    except Interrupted:
        pass
    assert run is not None
    assert (
        RunFolder(run).state() | {"status": "interrupted", "step": step} == RunFolder(run).state()
    )
    return run


class ToyTranslator(Translator):
    """A translator out of a function of images [B C H W]."""

    def __init__(
        self, answer: Callable[[Tensor], Any], sizes: Sizes | None = None, channels: int = 3
    ) -> None:
        self.answer = answer
        self.own_sizes = sizes or Sizes()
        self.own_channels = channels

    @property
    def sizes(self) -> Sizes:
        return self.own_sizes

    @property
    def channels(self) -> int:
        return self.own_channels

    def translate(self, images: Tensor) -> Any:
        return self.answer(images)
