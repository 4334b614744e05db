"""What `profile` and `bench` measure: inference of networks and methods, and training steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from histokit.config.base import TrainingWindows
from histokit.config.resolve import Layer, resolve
from histokit.data.augment import Augment
from histokit.data.draws import FeedSettings
from histokit.data.feeds import Feeds
from histokit.errors import UnknownName, UsageError
from histokit.interfaces import (
    Adapter,
    Feed,
    Method,
    MethodSpec,
    NetworkSpec,
    Segmenter,
    Translator,
    Unlabelled,
)
from histokit.registry.discovery import METHODS, NETWORKS, scan
from histokit.registry.methods import find_method, find_preset
from histokit.registry.networks import find_network
from histokit.registry.refs import parse_ref
from histokit.run.context import RunContext
from histokit.run.costs.made_up import made_up_feeds
from histokit.run.hasten import hasten
from histokit.run.machine import Machine
from histokit.run.models import networks_of
from histokit.training.loop import batch_keys
from histokit.training.seed import seed_everything

AS_NETWORK = "network:"
"""What stands before the name of a network whose name a method has, too."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is the same for everything that is measured.

    Attributes:
        machine: where it runs.
        size: side of a window in pixels; what does not take it gets the next size that it takes.
        batch: windows at once.
        train: whether training steps are measured, too.
        seed: of weights and made-up images.
        channels_last: whether networks and training images are laid out so.
        compiled: whether networks are compiled.
        workers: processes that load training data.
        settings: of every method; windows and batches are given by `size` and `batch`.
    """

    machine: Machine
    size: int
    batch: int
    train: bool = True
    seed: int = 0
    channels_last: bool = False
    compiled: bool = False
    workers: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A task made ready.

    Attributes:
        call: what one repeat calls.
        networks: those that it was built with.
        images: windows that a call takes, of all domains.
        draw: draws the next batch from the feed of a training phase; None for inference. `call`
            takes the same batch each time, so that both can be timed apart.
    """

    call: Callable[[], object]
    networks: Sequence[nn.Module]
    images: int
    draw: Callable[[], object] | None = None

    @property
    def parameters(self) -> int:
        """Numbers that are weights, frozen ones too, each counted once."""
        return sum({id(p): p.numel() for net in self.networks for p in net.parameters()}.values())


@dataclass(frozen=True, slots=True)
class Task:
    """One line of the profile.

    Attributes:
        subject: the method or network, as typed.
        name: ``forward``, ``segment``, ``translate`` or ``train PHASE``.
        side: of its windows in pixels.
        open: builds everything anew, with fresh weights and made-up images.
    """

    subject: str
    name: str
    side: int
    open: Callable[[], Job]


def tasks_of(ref: str, how: Conditions) -> list[Task]:
    """The tasks of a method, ``method:preset`` or network; a name that both have is the method,
    and ``network:NAME`` is the network.

    Raises UnknownName where nobody offers it, UsageError for a run folder or weights file.
    """
    methods, networks = (
        {offer.name for offer in scan().offers if offer.group == group}
        for group in (METHODS, NETWORKS)
    )
    name = ref.removeprefix(AS_NETWORK)
    if name != ref or (name in networks and name not in methods):
        return [_of_network(find_network(name), ref, how)]
    parsed = parse_ref(ref)
    if parsed.kind != "method":
        raise UsageError(
            f"{ref} is neither a method nor a network",
            expected="names: the weights of a run cost what fresh ones do",
            hint="see `histokit methods list` and `histokit plugins list`",
        )
    if ":" not in parsed.name and parsed.name not in methods:
        raise UnknownName("method or network", parsed.name, methods | networks)
    return _of_method(find_method(parsed.name), parsed.preset, ref, how)


def _of_network(spec: NetworkSpec, ref: str, how: Conditions) -> Task:
    """One pass of a network for colour images and one map."""
    side = spec.sizes.fit(how.size)

    def opened() -> Job:
        seed_everything(how.seed)
        context = RunContext(how.machine, how.seed, tile=side)
        network = context.network(spec.name, context.channels, context.outputs)
        return _inference(network, [network.module], how, side, context.channels)

    return Task(ref, "forward", side, opened)


def _of_method(spec: MethodSpec, preset: str, ref: str, how: Conditions) -> list[Task]:
    """What a method does when it is trained, and a step of each phase."""
    overrides = find_preset(spec, preset).overrides if preset else {}
    first = _Built.of(spec, overrides, how, how.size)
    side = first.fitting(how.size)
    build = partial(_Built.of, spec, overrides, how, side)
    tasks = [Task(ref, role, side, partial(_inferring, build, role)) for role in first.roles]
    steps = [number for number, phase in enumerate(first.method.phases()) if phase.steps]
    for number in steps if how.train else ():
        name = f"train {first.method.phases()[number].name}"
        tasks.append(Task(ref, name, side, partial(_training, build, number)))
    return tasks


@dataclass(frozen=True, slots=True)
class _Built:
    """A method with fresh weights, its settings, and the side of its windows in pixels."""

    method: Method
    config: BaseModel
    how: Conditions
    side: int

    @classmethod
    def of(cls, spec: MethodSpec, overrides: Any, how: Conditions, side: int) -> _Built:
        """The method for windows and batches as they are asked for, as far as it can be told.

        Raises ConfigError where it takes no such windows or settings.
        """
        known = spec.config.model_fields
        typed = {"tile": side, "batch": how.batch}
        asked = {name: value for name, value in typed.items() if name in known}
        layers = [
            Layer("preset", overrides),
            Layer("--set", how.settings),
            Layer("--size and --batch", asked),
        ]
        config = resolve(spec.config, layers).config
        seed_everything(how.seed)
        channels = TrainingWindows.of(config).channels
        context = RunContext(how.machine, how.seed, channels=channels, tile=side)
        return cls(spec.load().build(config, context), config, how, side)

    @property
    def roles(self) -> dict[str, Segmenter | Translator]:
        """What it does, by the name of the task."""
        method = self.method
        found = method.segmenter() if isinstance(method, Adapter) else method
        roles: dict[str, Segmenter | Translator] = {}
        if isinstance(found, Segmenter):
            roles["segment"] = found
        if isinstance(method, Translator):
            roles["translate"] = method
        return roles

    @property
    def networks(self) -> list[nn.Module]:
        """All players."""
        return list(networks_of(self.method.stateful()).values())

    def fitting(self, side: int) -> int:
        """The smallest side from `side` on that every role takes."""
        sizes = [role.sizes for role in self.roles.values()]
        while not all(size.allows(side) for size in sizes):
            side = max(size.fit(side) for size in sizes)
        return side


def _inferring(build: Callable[[], _Built], name: str) -> Job:
    """One pass of a role; objects are not decoded."""
    built = build()
    role = built.roles[name]
    call = role.segment if isinstance(role, Segmenter) else role.translate
    return _inference(call, built.networks, built.how, built.side, role.channels)


def _training(build: Callable[[], _Built], number: int) -> Job:
    """A step of a phase, after the `before` of it and of the phases ahead of it."""
    built = build()
    phases = built.method.phases()
    for network in built.networks:
        network.train()
    hasten(built.networks, channels_last=built.how.channels_last, compiled=built.how.compiled)
    for phase in phases[: number + 1]:
        if phase.before is not None and phase.steps:
            phase.before()
    batches = _feeds(built).open(phases[number].feed, 0)
    batch = next(batches)

    def step() -> None:
        with built.how.machine.autocast():
            phases[number].step(batch)

    return Job(step, built.networks, len(batch_keys(batch)), partial(next, batches))


def _feeds(built: _Built) -> Feeds:
    """The data that the method is trained on, with its own augmentation."""
    windows, how = TrainingWindows.of(built.config), built.how
    settings = FeedSettings(
        batch=how.batch,
        side=built.side,
        augment=cast(Augment, windows.augment),
        seed=how.seed,
        oversample=windows.oversample,
        channels_last=how.channels_last,
    )
    return made_up_feeds(
        how.machine.device, settings, channels=windows.channels, workers=how.workers
    )


def _inference(
    call: Callable[[Tensor], object],
    networks: list[nn.Module],
    how: Conditions,
    side: int,
    channels: int,
) -> Job:
    """A pass in eval mode and without gradients, as `predict` makes it."""
    for network in networks:
        network.eval()
    hasten(networks, channels_last=how.channels_last, compiled=how.compiled)
    settings = FeedSettings(batch=how.batch, side=side, augment="none", seed=how.seed)
    feeds = made_up_feeds(how.machine.device, settings, channels=channels)
    images = cast(Unlabelled, next(feeds.open(Feed.UNLABELLED, 0))).images
    if how.machine.on_gpu or how.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)

    def once() -> None:
        with torch.inference_mode(), how.machine.autocast():
            call(images)

    return Job(once, networks, how.batch)
