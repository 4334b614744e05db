"""Item after item: what is done stays, what fails is told, the rest goes on."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histokit.errors import ConfigError, DataError, DeviceError, HistokitError
from histokit.io.files import DiskError, recorded
from histokit.run.cohort.item import Item
from histokit.run.cohort.left_overs import LeftOvers
from histokit.run.cohort.shards import Shard
from histokit.run.cohort.state import (
    State,
    damaged,
    key_of,
    outputs_among,
    path_of,
    read_state,
    write_state,
)
from histokit.run.events import Event, ItemDone, ItemFailed, Noted

UNREADABLE = ""
"""The key of an item whose file, or mask, nobody can read."""
FATAL: tuple[type[HistokitError], ...] = (DeviceError, ConfigError, DiskError)
"""What the next item would meet as well."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an item.

    Attributes:
        row: of summary.csv, without the seconds.
        shown: values to tell.
        more: what other tables of the folder are made of, as JSON has it.
    """

    row: Mapping[str, Any]
    shown: Mapping[str, float | None]
    more: Mapping[str, Any] = field(default_factory=dict)


Work = Callable[[Item], Generator[Event, None, Done]]
"""Works on an item, writes its outputs, and yields lines about it."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Items that are worked on alike.

    Attributes:
        out: output folder.
        items: all of them, also those of other shards.
        settings: all that outputs depend on but the item, as JSON has it.
        shard: which of them are this process's.
        resume: whether what is finished is left as it is.
        strict: whether the first failure ends the work.
        fatal: failures that end it in any case.
        label: what an item is called in messages.
    """

    out: Path
    items: Sequence[Item]
    settings: Mapping[str, Any]
    shard: Shard = field(default_factory=Shard)
    resume: bool = False
    strict: bool = False
    fatal: tuple[type[HistokitError], ...] = FATAL
    label: Callable[[Item], str] = lambda item: item.key


@dataclass(frozen=True, slots=True)
class Tally:
    """The states of this shard's items, done or failed, and how many of them were found done."""

    states: Sequence[State]
    skipped: int

    @property
    def done(self) -> list[State]:
        """Those that are done."""
        return [state for state in self.states if state.status == "done"]

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.states) - len(self.done)


def walk(
    cohort: Cohort, work: Work, ended: dict[str, State] | None = None
) -> Generator[Event, None, Tally]:
    """Works on the items of this shard; yields an event an item, and lines.

    Args:
        cohort: the items.
        work: what is done with each.
        ended: takes the states of items as these are known to be done, or fail and do not end the
            work, by their names: what is known where the work ends early.

    Raises what is fatal, and with `Cohort.strict` the first failure; what came before is finished
    and known to be.
    """
    mine = cohort.shard.part(cohort.items)
    if cohort.shard.count > 1:
        yield Noted(f"shard {cohort.shard}: {len(mine)} of {len(cohort.items)} items")
    ended = {} if ended is None else ended
    if cohort.resume:
        ended |= yield from _finished(cohort, mine)
    skipped, left_overs = len(ended), LeftOvers(cohort.out)
    for number, item in enumerate(mine, 1):
        if item.key not in ended:
            place = number, len(mine)
            ended[item.key] = yield from _one(cohort, item, place, work, left_overs)
    return Tally([ended[item.key] for item in mine], skipped)


def keys_of_others(cohort: Cohort, mine: Sequence[State]) -> dict[str, str]:
    """The keys of the items that have a state beside those given, by their names. It opens their
    files, which takes long where there are many.
    """
    have = {state.name for state in mine}
    others = [item for item in cohort.items if item.key not in have]
    begun = [item for item in others if path_of(cohort.out, item.key).exists()]
    return {item.key: _key(cohort, item)[0] for item in begun}


def known(cohort: Cohort, mine: Sequence[State], keys: Mapping[str, str]) -> list[State]:
    """The states of all items that are done or failed, in the order of the items: those of this
    shard, and what others wrote with the same key.

    Args:
        cohort: the items.
        mine: the states of this shard.
        keys: what `keys_of_others` gave; for items begun since then the file is opened.
    """
    found = {state.name: state for state in mine}
    for item in cohort.items:
        if item.key not in found:
            state = _read(cohort, item)[0]
            if state and state.status != "running":
                key = keys[item.key] if item.key in keys else _key(cohort, item)[0]
                if state.key == key:
                    found[item.key] = state
    return [found[item.key] for item in cohort.items if item.key in found]


def _finished(cohort: Cohort, mine: Sequence[Item]) -> Generator[Event, None, dict[str, State]]:
    """The states of the items that are done with the same key and whose outputs are sound."""
    found: dict[str, State] = {}
    for item in mine:
        state, wrong = _read(cohort, item)
        if state and state.status == "done":
            wrong = _unfit(cohort, item, state)
            if not wrong:
                found[item.key] = state
        if wrong:
            yield Noted(f"{cohort.label(item)}: {wrong}; it is done again", warning=True)
    yield Noted(f"{len(found)} of {len(mine)} items are done already and stay as they are")
    return found


def _unfit(cohort: Cohort, item: Item, state: State) -> str:
    """Why an item that was done is not; empty where it is."""
    key, unreadable = _key(cohort, item)
    if unreadable:
        return unreadable.what
    if state.key != key:
        return "the image, weights or settings are others than before"
    lost = damaged(cohort.out, state) if state.outputs else "what was written of it"
    return f"{lost} is gone or changed" if lost else ""


def _read(cohort: Cohort, item: Item) -> tuple[State | None, str]:
    """The state of an item, and what is wrong with its file."""
    try:
        return read_state(cohort.out, item.key), ""
    except DataError as error:
        return None, error.what


def _key(cohort: Cohort, item: Item) -> tuple[str, DataError | None]:
    """The key of an item, and why there is none."""
    try:
        return key_of(item, cohort.settings), None
    except DataError as error:
        return UNREADABLE, error


def _one(
    cohort: Cohort, item: Item, place: tuple[int, int], work: Work, left_overs: LeftOvers
) -> Generator[Event, None, State]:
    """Works on an item and gives its state, done or failed."""
    label, began = cohort.label(item), time.perf_counter()
    key, unreadable = _key(cohort, item)
    state = _begun(cohort, item, key, left_overs)
    write_state(cohort.out, state)
    try:
        if unreadable:
            raise unreadable
        with recorded() as written:
            done = yield from work(item)
    except HistokitError as error:
        failed = {"status": "failed", "reason": str(error)}
        state = _ended(state, began, failed)
        if not isinstance(error, DiskError):
            write_state(cohort.out, state)
        if cohort.strict or isinstance(error, cohort.fatal):
            raise
        yield ItemFailed(label, *place, str(error), state.attempts)
        return state
    seconds = time.perf_counter() - began
    row = {**done.row, "seconds": round(seconds, 3)}
    told = {"status": "done", "row": row, "more": dict(done.more)}
    state = _ended(state, began, told | {"outputs": outputs_among(cohort.out, written)})
    write_state(cohort.out, state)
    yield ItemDone(label, *place, seconds, done.shown)
    return state


def _begun(cohort: Cohort, item: Item, key: str, left_overs: LeftOvers) -> State:
    """The state of an item that begins; what a killed process left of it half-written is gone."""
    before = _read(cohort, item)[0]
    if before and before.status == "running" and before.host == platform.node():
        left_overs.remove(item.name.name, before.pid)
    again = cohort.resume and before is not None and before.key == key
    attempts = 1 + (before.attempts if again and before else 0)
    return State(name=item.key, image=str(item.path), key=key, status="running", attempts=attempts)


def _ended(state: State, began: float, told: Mapping[str, Any]) -> State:
    """The state of an item that ended, since now."""
    kept = {name: getattr(state, name) for name in ("name", "image", "key", "attempts")}
    return State(**kept, seconds=round(time.perf_counter() - began, 3), **told)
