"""A method under test: its smallest settings, built and trained for a few steps, and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from histokit.config.base import TrainingWindows
from histokit.config.resolve import Layer, resolve
from histokit.interfaces import (
    Adapter,
    Method,
    MethodSpec,
    Phase,
    Segmenter,
    Sizes,
    Stateful,
    Translator,
)
from histokit.io.checkpoints import load_state, save_state
from histokit.run.context import RunContext
from histokit.run.machine import Machine, open_machine
from histokit.run.models import networks_of, put_weights, weights_of
from histokit.testing.toy import toy_feeds, toy_images
from histokit.testing.watch import Deeds, watched
from histokit.training.loop import fit
from histokit.training.seed import generator_state, restore_generators, seed_everything

SMALL = {"network": "unet-small", "batch": 2, "tile": 64}
"""Given to every method that has such settings, after its preset ``cpu``."""
STEPS = 2
"""Steps of each phase that are tried."""


@dataclass(frozen=True, slots=True)
class Face:
    """One of the things that a trained method does.

    Attributes:
        role: ``translator`` or ``segmenter``.
        does: the object of that role.
    """

    role: str
    does: Translator | Segmenter

    @property
    def sizes(self) -> Sizes:
        """The input sizes that it takes."""
        return self.does.sizes

    @property
    def channels(self) -> int:
        """The image channels that it takes."""
        return self.does.channels

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Its output on a copy of the images, by name."""
        return self.on(images.clone())

    def on(self, images: Tensor) -> dict[str, Tensor]:
        """Its output on the images themselves, called as the core does."""
        with torch.inference_mode():
            if isinstance(self.does, Translator):
                return {"images": self.does.translate(images)}
            maps = self.does.segment(images)
            return {"logits": maps.logits, **maps.extra}


@final
class MethodSubject:
    """What the checks of a method are run on.

    Args:
        spec: the card.
        folder: an empty folder, where the states of its training are kept.
        settings: settings that the checks are made with, over `SMALL` and the preset ``cpu``.
    """

    def __init__(self, spec: MethodSpec, folder: Path, settings: Mapping[str, Any]) -> None:
        self.spec = spec
        self.folder = folder
        self.settings = settings
        self._deeds = Deeds()
        self._logged: list[tuple[int, dict[str, float]]] = []

    @cached_property
    def config(self) -> Any:
        """The settings that the method is built with."""
        fields = self.spec.config.model_fields
        small = {name: value for name, value in SMALL.items() if name in fields}
        preset = self.spec.presets["cpu"].overrides if "cpu" in self.spec.presets else {}
        layers = [Layer("preset cpu", preset), Layer("kit", small), Layer("test", self.settings)]
        return resolve(self.spec.config, layers).config

    @cached_property
    def machine(self) -> Machine:
        """This machine's CPU."""
        return open_machine("cpu", "32")

    @property
    def windows(self) -> TrainingWindows:
        """How the training windows of its settings are made."""
        return TrainingWindows.of(self.config)

    def build(self, seed: int = 0) -> Method:
        """A fresh method, in training mode."""
        windows = self.windows
        seed_everything(seed)
        context = RunContext(
            self.machine,
            seed,
            channels=windows.channels,
            tile=windows.tile,
            mpp=0.25,
            runs=self.folder / "runs",
        )
        method: Method = self.spec.load().build(self.config, context)
        seed_everything(seed)
        for network in networks_of(method.stateful()).values():
            network.train()
        return method

    @cached_property
    def trained(self) -> Method:
        """A method after the first steps of each phase, in evaluation mode, and used once."""
        with watched(self.folder) as self._deeds:
            method = self.build()
            steps = sum(phase.steps for phase in first_steps(method))
            self._logged = self.train(method, saves=stops(steps))
            for network in networks_of(method.stateful()).values():
                network.eval()
            for face in faces(method):
                face(self.images(face))
        return method

    @property
    def deeds(self) -> Deeds:
        """What building, training and using it did to files and the network."""
        _ = self.trained
        return self._deeds

    @property
    def logged(self) -> list[tuple[int, dict[str, float]]]:
        """The steps of its training, each with its losses."""
        _ = self.trained
        return self._logged

    @cached_property
    def reloaded(self) -> Method:
        """A fresh method with the trained weights and nothing else, in evaluation mode."""
        fresh = self.build(seed=1)
        weights = weights_of(self.trained.stateful())
        kept = {name: value.clone() for name, value in weights.items()}
        put_weights(fresh.stateful(), kept, self.folder / "weights")
        for network in networks_of(fresh.stateful()).values():
            network.eval()
        return fresh

    @property
    def faces(self) -> list[Face]:
        """What it does once it is trained."""
        return faces(self.trained)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trained networks."""
        return networks_of(self.trained.stateful())

    def train(
        self, method: Method, *, start: int = 0, saves: Sequence[int] = ()
    ) -> list[tuple[int, dict[str, float]]]:
        """Trains from step `start` on, where a state must have been saved; saves some states.

        Gives the steps with their losses.
        """
        logged = []
        feeds = toy_feeds(self.spec.access, self.windows)
        restore = None if not start else lambda: self.restore(method, start)
        for record in fit(first_steps(method), feeds.open, start=start, restore=restore):
            logged.append((record.step, {n: float(loss) for n, loss in record.losses.items()}))
            if record.step in saves:
                self.save(method, record.step)
        self.save(method, -1)
        return logged

    def save(self, method: Method, step: int) -> None:
        """Keeps the state of a method as the core does; -1 stands for the last."""
        save_state(
            self.state(step),
            {"stateful": state_of(method.stateful()), "generators": generator_state()},
        )

    def restore(self, method: Method, step: int) -> None:
        """Puts a kept state back, as the core does when a run is resumed."""
        state = load_state(self.state(step))
        for name, item in method.stateful().items():
            item.load_state_dict(state["stateful"][name])
        restore_generators(state["generators"])

    def state(self, step: int) -> Path:
        """The file of a kept state."""
        return self.folder / f"step{step}.ckpt"

    def images(self, face: Face, count: int = 2) -> Tensor:
        """Toy images of the size of a training window, made legal."""
        return toy_images(count, face.sizes.fit(self.windows.tile), face.channels)


def first_steps(method: Method) -> list[Phase]:
    """The phases of a method, each cut to its first steps."""
    return [replace(phase, steps=min(phase.steps, STEPS)) for phase in method.phases()]


def stops(steps: int) -> list[int]:
    """Where training is interrupted: at half, and one step before the end."""
    return sorted({step for step in (steps // 2, steps - 1) if 0 < step < steps})


def faces(method: Method) -> list[Face]:
    """What a method does once it is trained; an adapter segments."""
    found = [Face("translator", method)] if isinstance(method, Translator) else []
    segmenter = method.segmenter() if isinstance(method, Adapter) else method
    return [*found, *([Face("segmenter", segmenter)] if isinstance(segmenter, Segmenter) else [])]


def state_of(stateful: Mapping[str, Stateful]) -> dict[str, Any]:
    """The state of everything that training changes."""
    return {name: item.state_dict() for name, item in stateful.items()}


def difference(one: Any, other: Any, where: str = "") -> str:
    """The first place at which two nested states differ; empty where they are the same."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.shape == other.shape and torch.equal(one, other)
        return "" if same else where
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            return f"{where}: the names"
        pairs = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return f"{where}: the length"
        pairs = [(n, a, b) for n, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return "" if one == other else where
    found = (difference(a, b, f"{where}.{key}" if where else str(key)) for key, a, b in pairs)
    return next(filter(None, found), "")
