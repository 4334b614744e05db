"""What a method is built with: the real `Context`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histokit.config.base import TrainingWindows
from histokit.errors import DataError, UsageError
from histokit.interfaces import Head, Network, NetworkSpec, Segmenter, Translator
from histokit.interfaces.spec import load_object
from histokit.io.images import read_image
from histokit.registry.networks import find_network, list_networks
from histokit.run.domains import Domain
from histokit.run.machine import Machine
from histokit.run.plan import RunPlan
from histokit.training.updater import Optimiser, Updater


@dataclass(frozen=True)
class RunContext:
    """See `histokit.interfaces.Context`.

    `runs` is where trained methods are looked for; `encoder` and `encoder_weights` are what
    networks that take another encoder are built with.
    """

    machine: Machine
    seed: int = 0
    channels: int = 3
    classes: tuple[str, ...] = ()
    tile: int = 256
    mpp: float | None = None
    runs: Path = Path("runs")
    encoder: str = ""
    encoder_weights: str = ""

    @property
    def device(self) -> torch.device:
        """Where networks and batches live."""
        return self.machine.device

    @property
    def outputs(self) -> int:
        """Output maps of a network: 1, or with classes one more than there are classes."""
        return len(self.classes) + 1 if self.classes else 1

    @property
    def precision(self) -> str:
        """The number format of training steps."""
        return self.machine.precision

    def network(self, name: str, in_channels: int, out_channels: int, **options: Any) -> Network:
        """A registered network, built with fresh weights (or an encoder's pretrained ones), on
        the device.

        Raises UsageError where another encoder is asked of a network that takes none.
        """
        spec = find_network(name)
        freeze = spec.freeze
        if self.encoder:
            _require_encoder(spec)
            freeze = spec.encoder_freeze
            given = {"encoder": self.encoder, "encoder_weights": self.encoder_weights}
            options = {**given, **options}
        factory = load_object(spec.factory, f"network {name}")
        module: nn.Module = factory(in_channels, out_channels, **{**spec.options, **options})
        module = module.to(self.device)
        if self.machine.on_gpu:
            module = module.to(memory_format=torch.channels_last)
        head_path = spec.head if out_channels == 1 else spec.class_head
        head: Head = load_object(head_path, f"network {name}")()
        head = head if self.mpp is None else head.at(self.mpp)
        return Network(spec.name, module, head, spec.taps, spec.sizes, freeze)

    def image(self, path: Path) -> NDArray[np.uint8]:
        """An image file, uint8 [H W 3] RGB. Raises DataError, naming `path`."""
        return read_image(path)

    def translator(self, ref: str) -> Translator:
        """A trained translator, frozen, in eval mode."""
        from histokit.run.models import load_translator

        return load_translator(ref, self.machine, self.runs)

    def segmenter(self, ref: str) -> Segmenter:
        """A trained segmenter, frozen, in eval mode."""
        from histokit.run.models import load_segmenter

        return load_segmenter(ref, self.machine, self.runs)

    def updater(
        self,
        modules: Sequence[nn.Module],
        lr: float,
        *,
        optimiser: Optimiser = "adam",
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        clip: float | None = None,
        schedule: Callable[[int], float] | None = None,
    ) -> Updater:
        """One player's optimiser; with several processes it averages gradients."""
        return Updater(
            modules,
            lr,
            optimiser=optimiser,
            betas=betas,
            weight_decay=weight_decay,
            clip=clip,
            schedule=schedule,
            reduce=self.machine.mean if self.machine.world > 1 else None,
        )


def context_of(plan: RunPlan, machine: Machine, domains: Mapping[str, Domain]) -> RunContext:
    """The surroundings of a training run.

    Raises DataError where classes are to be learned and the labelled data set has none.
    """
    first = domains.get("source") or domains.get("target") or domains.get("pairs")
    windows = TrainingWindows.of(plan.config)
    classes = first.classes if plan.run.types and first else ()
    if plan.run.types and not classes:
        raise DataError(
            "there are no classes to learn",
            expected="a labelled data set with classes, because of --types",
            found=first.name if first else "no data set",
            hint="leave out --types, or see `histokit data info NAME` for the classes",
        )
    return RunContext(
        machine,
        plan.run.seed,
        channels=windows.channels,
        classes=classes,
        tile=windows.tile,
        mpp=first.mpp if first else None,
        runs=plan.run.runs,
        encoder=plan.run.encoder,
        encoder_weights=plan.run.encoder_weights,
    )


def context_of_card(card: Mapping[str, Any], machine: Machine, runs: Path) -> RunContext:
    """The surroundings that the weights of `card` were trained in."""
    return RunContext(
        machine,
        channels=card.get("channels", 3),
        classes=tuple(card.get("classes", ())),
        tile=card["tile"],
        mpp=card["mpp"],
        runs=runs,
        encoder=card.get("encoder", ""),
    )


def _require_encoder(spec: NetworkSpec) -> None:
    if spec.encoder_freeze:
        return
    cards = [entry.card for entry in list_networks() if entry.status == "ok"]
    able = [card.name for card in cards if card.encoder_freeze]
    raise UsageError(
        f"network {spec.name} takes no --encoder",
        expected=f"--network {' or '.join(able)}",
    )
