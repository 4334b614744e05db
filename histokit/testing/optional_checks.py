"""What the optional parts of a method promise: warnings, measures, facts, rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor

from histokit.interfaces import Access, Adapter, DatasetSpec, Feed, Labelled, Method, Segmenter
from histokit.metrics.tally import described
from histokit.run.domains import Domain
from histokit.run.evaluation.measuring import facts_of, measured_by
from histokit.run.infer import Windows
from histokit.testing.checks import broken, check
from histokit.testing.output_checks import (
    ALONE,
    batch,
    blank,
    inert,
    input_kept,
    output,
    repeatable,
    sizes,
)
from histokit.testing.reach import reached
from histokit.testing.subject import Face, difference, state_of
from histokit.testing.toy import RADIUS, ToyTissue, toy_feeds
from histokit.testing.watch import watched
from histokit.training.seed import generator_state

TOYS = DatasetSpec(
    name="toy",
    summary="discs",
    reader="histokit.testing.toy:ToyTissue",
    task="instances",
    licence="CC0",
    homepage="",
    tree="",
    mpp=0.25,
)
EMPTY = 2 * RADIUS
"""Side of a toy image that is too small for an object."""


def _has(name: str, base: type = Method) -> Callable[[Any], bool]:
    """Whether a method has a part that its `base` leaves empty."""

    def has(subject: Any) -> bool:
        method = subject.trained
        return isinstance(method, base) and getattr(type(method), name) is not getattr(base, name)

    return has


@check(needs=("works",), applies=_has("warnings"))
def warnings(subject: Any) -> None:
    """Its warnings of the losses of each phase are lines of words, and change nothing."""
    method = subject.trained
    for step, losses in subject.logged:
        with _only_asked(subject, "warnings"):
            found = list(method.warnings(losses, step))
            again = list(method.warnings(losses, step))
        if not all(isinstance(line, str) and line.strip() for line in found):
            raise broken("a warning is no line of words", found=repr(found))
        if found != again:
            raise broken("the same losses give other warnings when asked again", found=repr(again))


@check(needs=("output",), applies=_has("measures"))
def measures(subject: Any) -> None:
    """It measures each sample alone: finite or NaN, of the same names with objects and without."""
    segments = [face for face in subject.faces if face.role == "segmenter"]
    if not segments:
        raise broken("it has measures, which only a segmenter is asked for")
    face = segments[0]
    window = face.sizes.fit(subject.windows.tile + face.sizes.shrink)
    with _only_asked(subject, "measures"):
        full, empty = (_through_core(subject, face, window, side) for side in (2 * window, EMPTY))
        _check_samples(subject.trained, _labelled(subject, face))
    if full != empty:
        raise broken(
            "the measures of an image without objects have other names",
            expected=", ".join(sorted(full)),
            found=", ".join(sorted(empty)) or "none",
        )


def _through_core(subject: Any, face: Face, window: int, side: int) -> set[str]:
    """The names of what `eval` reads of a toy image of `side` pixels, window by window."""
    tissue = ToyTissue(count=1, side=side, grey=face.channels == 1)
    domain = Domain("toy", TOYS, tissue, {"all": ["toy0"]})
    measure = measured_by(
        subject.trained,
        cast(Segmenter, face.does),
        domain,
        subject.machine,
        Windows(window, batch=2),
        described(),
    )
    return set(measure(tissue.records()[0])) if measure else set()


def _labelled(subject: Any, face: Face) -> Labelled:
    """Three toy samples of a legal size."""
    windows = replace(
        subject.windows,
        batch=3,
        tile=face.sizes.fit(subject.windows.tile),
        channels=face.channels,
    )
    return cast(Labelled, next(toy_feeds(Access.SOURCE, windows).open(Feed.LABELLED, 0)))


def _check_samples(method: Method, samples: Labelled) -> None:
    """That nothing is measured of a sample but the sample: no batch, nothing asked before."""
    images = samples.images.clone()
    first, again = _measured(method, samples), _measured(method, samples)
    if not torch.equal(images, samples.images):
        raise broken("measuring changes the images")
    if name := _apart(first, again, 0.0):
        raise broken("measured again, the same samples differ", found=name)
    for number in range(len(samples.keys)):
        part = slice(number, number + 1)
        alone = _measured(
            method,
            Labelled(
                samples.images[part],
                samples.ids[part],
                None if samples.classes is None else samples.classes[part],
                samples.keys[part],
            ),
        )
        together = {name: values[part] for name, values in first.items()}
        if name := _apart(together, alone, ALONE):
            raise broken(f"{name} of a sample depends on the rest of its batch")


def _measured(method: Method, samples: Labelled) -> dict[str, Tensor]:
    with torch.no_grad():
        return {name: values.float() for name, values in method.measures(samples).items()}


def _apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor], share: float) -> str:
    """The first name whose values differ by more than a share of them, or of 1."""
    for name, values in one.items():
        same = torch.allclose(values, other[name], rtol=share, atol=share, equal_nan=True)
        if not same:
            return name
    return ""


@check(needs=("works",), applies=_has("facts"))
def facts(subject: Any) -> None:
    """Its facts are finite numbers with names and titles, of its weights alone."""
    with _only_asked(subject, "facts"):
        found, again = facts_of(subject.trained), facts_of(subject.trained)
    names = [*found, *(name for table in found.values() for name in table)]
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise broken("a fact without a name or a title", found=repr(names))
    kept = facts_of(subject.reloaded)
    for when, other in (("asked again", again), ("loaded from its weights", kept)):
        if where := difference(found, other):
            raise broken(f"it tells other facts when {when}", found=where)


@check(needs=("output",), applies=_has("rehearsal", Adapter))
def rehearsal(subject: Any) -> None:
    """What it rehearses with is a segmenter, or None before training, that outputs as it should."""
    fresh, method = subject.build(), subject.trained
    with _only_asked(subject, "rehearsal"):
        before, found = fresh.rehearsal(), method.rehearsal()
    if before is not None and not isinstance(before, Segmenter):
        raise broken("before training, rehearsal gives no segmenter", found=type(before).__name__)
    if not isinstance(found, Segmenter):
        raise broken("after training, rehearsal gives no segmenter", found=type(found).__name__)
    named = reached(list(method.stateful().values()))
    if forgotten := [where for number, where in reached([found]).items() if number not in named]:
        raise broken("it rehearses with what `stateful` does not name", found=forgotten[0])
    rehearsed = SimpleNamespace(
        faces=[Face("rehearsal", found)],
        windows=subject.windows,
        machine=subject.machine,
        networks=subject.networks,
        images=subject.images,
    )
    for promise in (output, sizes, input_kept, repeatable, inert, batch, blank):
        promise.run(rehearsed)


@contextmanager
def _only_asked(subject: Any, what: str) -> Iterator[None]:
    """Raises VerificationFailed where what runs inside changes the method, draws from the global
    generators, writes a file or calls the network.
    """
    method = subject.trained
    before, numbers = deepcopy(state_of(method.stateful())), generator_state()
    with watched() as deeds:
        yield
    if where := difference(before, state_of(method.stateful())):
        raise broken(f"asking for {what} changes the state of the method", found=where)
    if difference(numbers, generator_state()):
        raise broken(f"asking for {what} draws from the global generators")
    if done := [*deeds.writes, *deeds.calls]:
        raise broken(f"asking for {what} writes a file or calls the network", found=done[0])


OPTIONAL = (warnings, measures, facts, rehearsal)
