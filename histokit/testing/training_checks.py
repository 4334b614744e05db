"""What training promises: sound losses, everything named in `stateful`, resumable, repeatable."""

from __future__ import annotations

from typing import Any

from histokit.interfaces import Access, Feed
from histokit.io.checkpoints import load_state
from histokit.testing.checks import broken, check
from histokit.testing.reach import reached
from histokit.testing.subject import difference, faces, first_steps, state_of, stops

GRANTED = {
    Access.NOTHING: set[Feed](),
    Access.SOURCE: {Feed.LABELLED},
    Access.TARGET_IMAGES: {Feed.LABELLED, Feed.UNLABELLED, Feed.SOURCE_TARGET, Feed.UNPAIRED},
    Access.TARGET_LABELS: {Feed.LABELLED},
    Access.IMAGES: {Feed.UNLABELLED, Feed.UNPAIRED},
    Access.PAIRS: {Feed.PAIRED},
}
"""The feeds that the core opens for each access."""


def _holds_weights(subject: Any) -> bool:
    return bool(subject.networks)


def _learns(subject: Any) -> bool:
    """Whether it trains weights, and not only gathers statistics."""
    networks = subject.networks.values()
    return _trains(subject) and any(w.requires_grad for n in networks for w in n.parameters())


def _trains(subject: Any) -> bool:
    return any(phase.steps for phase in subject.trained.phases())


@check(needs=("factory", "round-trip"))
def phases(subject: Any) -> None:
    """Phases have names of their own, steps from 0 and feeds that the declared access grants."""
    plan = subject.build().phases()
    names = [phase.name for phase in plan]
    if len(set(names)) < len(names):
        raise broken("two phases have one name", found=", ".join(names))
    granted = GRANTED[subject.spec.access]
    for phase in plan:
        if phase.steps < 0:
            raise broken(f"phase {phase.name} has {phase.steps} steps")
        if phase.feed not in granted:
            raise broken(
                f"phase {phase.name} draws from a feed that its access does not grant",
                expected=", ".join(sorted(feed.value for feed in granted)) or "no feed at all",
                found=f"{phase.feed.value}, with access to {subject.spec.access.value}",
            )


@check(needs=("phases",))
def works(subject: Any) -> None:
    """The first steps of each phase run with finite losses, and what comes out can be used."""
    for face in subject.faces:
        face(subject.images(face))


@check(needs=("works",))
def stateful(subject: Any) -> None:
    """Every network and optimiser that the method holds is named in `stateful`."""
    method = subject.trained
    named = set(reached(list(method.stateful().values())))
    held = reached([method, *(face.does for face in subject.faces)])
    forgotten = sorted(where for number, where in held.items() if number not in named)
    if forgotten:
        raise broken(
            "the method holds what `stateful` does not name, so it is not saved",
            found=", ".join(forgotten[:4]),
        )


@check(needs=("works",), applies=_learns)
def seed(subject: Any) -> None:
    """The seed decides the first weights: the same gives the same, another gives others."""
    first, again, other = (state_of(subject.build(seed).stateful()) for seed in (3, 3, 4))
    if where := difference(first, again):
        raise broken("two methods built with one seed differ", found=where)
    if not difference(first, other):
        raise broken("two methods built with two seeds are the same")


@check(needs=("stateful",), applies=_trains)
def resume(subject: Any) -> None:
    """Training that is stopped and resumed equals training that never stopped, bit for bit."""
    method = subject.trained
    straight = load_state(subject.state(-1))
    steps = sum(phase.steps for phase in first_steps(method))
    for stop in stops(steps):
        subject.train(subject.build(), start=stop)
        resumed = load_state(subject.state(-1))
        if where := difference(straight["stateful"], resumed["stateful"]):
            raise broken(
                f"training resumed at step {stop} of {steps} ends with another state",
                expected="all that the next step depends on in `stateful`, and random numbers "
                "from the global generators alone",
                found=where,
            )


@check(needs=("stateful", "resume", "repeatable"), applies=_holds_weights)
def reload(subject: Any) -> None:
    """Weights loaded into a fresh method give the same output."""
    for face, again in zip(subject.faces, faces(subject.reloaded), strict=True):
        if where := difference(face(subject.images(face)), again(subject.images(face))):
            raise broken(f"the {face.role} with loaded weights gives another output", found=where)


TRAINING = (phases, works, stateful, seed, resume)
