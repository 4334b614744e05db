"""What a registered network promises: it is built, its head reads it, its card names its parts."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from histokit.config.base import TrainingWindows
from histokit.interfaces import Access, Feed, Labelled, Network, NetworkSpec
from histokit.interfaces.spec import load_object
from histokit.nn.segmenter import NetworkSegmenter
from histokit.nn.taps import with_taps
from histokit.run.machine import Machine, open_machine
from histokit.testing.checks import broken, check
from histokit.testing.subject import Face
from histokit.testing.toy import toy_feeds, toy_images
from histokit.testing.watch import Deeds, watched
from histokit.training.seed import seed_everything

TILE = 64
"""Least side of the windows that it is tried on."""
CLASSES = 2
"""Classes of the toy objects."""


@final
class NetworkSubject:
    """What the checks of a network are run on: it, with fresh weights and its heads."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec

    def build(self, channels: int = 3, outputs: int = 1) -> Network:
        """The network with its head, as a method gets it from its context."""
        seed_everything(0)
        options = dict(self.spec.options)
        module = load_object(self.spec.factory, self.spec.name)(channels, outputs, **options)
        if not isinstance(module, nn.Module):
            raise broken("the factory gives no torch module", found=type(module).__name__)
        place = self.spec.head if outputs == 1 else self.spec.class_head
        head = load_object(place, self.spec.name)()
        taps, freeze = self.spec.taps, self.spec.freeze
        return Network(self.spec.name, module, head, taps, self.spec.sizes, freeze)

    @cached_property
    def network(self) -> Network:
        """The network of one output map for RGB images, in evaluation mode."""
        network = self.build()
        network.module.eval()
        return network

    @property
    def networks(self) -> dict[str, nn.Module]:
        """It alone."""
        return {"network": self.network.module}

    @property
    def faces(self) -> list[Face]:
        """What it does: it segments."""
        return [Face("segmenter", NetworkSegmenter(self.network))]

    @cached_property
    def machine(self) -> Machine:
        """This machine's CPU."""
        return open_machine("cpu", "32")

    @property
    def windows(self) -> TrainingWindows:
        """Windows of its smallest size from 64 pixels on, two a batch."""
        return TrainingWindows(batch=2, tile=self.spec.sizes.fit(TILE))

    def images(self, face: Face, count: int = 2) -> Tensor:
        """Toy images of the size of a window."""
        return toy_images(count, self.windows.tile, face.channels)

    def batch(self) -> Labelled:
        """A labelled batch."""
        feeds = toy_feeds(Access.SOURCE, self.windows)
        return cast(Labelled, next(feeds.open(Feed.LABELLED, 0)))

    @cached_property
    def deeds(self) -> Deeds:
        """What building and using it does to files and the network."""
        with watched() as deeds:
            network = self.build()
            network(self.batch().images)
        return deeds


@check()
def builds(subject: Any) -> None:
    """The factory makes torch modules for RGB and grey images, with one output map and several."""
    for channels in (3, 1):
        for outputs in (1, CLASSES + 1):
            subject.build(channels, outputs)


@check(needs=("builds",))
def parts(subject: Any) -> None:
    """The taps give feature maps, and what may be frozen is there."""
    network = subject.network
    names = {name for name, _ in network.module.named_modules()}
    named = {f"tap {name}": (path,) for name, path in subject.spec.taps.items()}
    named |= {f"freeze {name}": paths for name, paths in subject.spec.freeze.items()}
    lost = [f"{who}: {path}" for who, paths in named.items() for path in paths if path not in names]
    if lost:
        raise broken("the card names parts that the network lacks", found=", ".join(lost))
    taps = dict(subject.spec.taps)
    _, features = with_taps(network.module, list(taps.values()), subject.images(subject.faces[0]))
    for name, feature in zip(taps, features, strict=True):
        if feature.ndim != 4:
            raise broken(f"tap {name} is no feature map", found=str(list(feature.shape)))


@check(needs=("builds",))
def works(subject: Any) -> None:
    """Both heads give finite losses of a labelled batch, and their gradients reach the network."""
    batch = subject.batch()
    for outputs in (1, CLASSES + 1):
        _train_a_step(subject.build(3, outputs), batch)


def _train_a_step(network: Network, batch: Labelled) -> None:
    output = network(batch.images)
    terms = network.head.losses(output, batch)
    total = torch.stack([term.reshape(()) for term in terms.values()]).sum()
    if not bool(torch.isfinite(total)):
        raise broken("the losses are not finite", found=", ".join(terms))
    total.backward()
    if all(weight.grad is None for weight in network.module.parameters()):
        raise broken("no gradient of the losses reaches the network")


@check(needs=("works",))
def truth(subject: Any) -> None:
    """The head's foreground is [B 1 H W], less what the sizes shrink, and its truth fits it."""
    batch, network = subject.batch(), subject.network
    output = network(batch.images)
    side = subject.windows.tile - network.sizes.shrink
    for name, value in (
        ("foreground", network.head.foreground(output)),
        ("truth", network.head.truth(batch, output)),
    ):
        if tuple(value.shape) != (len(batch.images), 1, side, side):
            raise broken(
                f"the {name} has another shape",
                expected=str([len(batch.images), 1, side, side]),
                found=str(list(value.shape)),
            )


BUILDING = (builds, parts, works, truth)
