"""How the processes of one training end together when something goes wrong in one of them."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from threading import Thread

import torch
from torch.distributed import DistError
from torch.distributed.distributed_c10d import (
    Store,
    _get_default_store,  # the only name of the store that all processes can reach
)

from histokit import errors
from histokit.errors import HistokitError, Interrupted
from histokit.run.machine import Machine
from histokit.training.updater import NonFiniteElsewhere

FIRST = "histokit/failed"
"""Key of the first failure."""
HEARD = "histokit/heard"
"""Key that the first process sets once it knows what to tell."""
LEFT = "histokit/left"
"""Counts the other processes that know how the training ended."""
WAIT = 20.0
"""Seconds in which a process must learn why it lost the others."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as one process tells it to the others."""

    rank: int
    kind: str
    exit_code: int
    what: str
    expected: str = ""
    found: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: BaseException, rank: int) -> Failure:
        """What to tell of an error; an unforeseen one names its place."""
        if isinstance(error, HistokitError):
            said = (error.what, error.expected, error.found, error.hint)
            return cls(rank, type(error).__name__, error.exit_code, *said)
        if isinstance(error, KeyboardInterrupt):
            return cls(rank, "Interrupted", Interrupted.exit_code, "interrupted")
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = f"internal error: {type(error).__name__}: {error}"
        return cls(rank, "HistokitError", 1, what, found=f"{frame.filename}:{frame.lineno}")

    def told(self, more: str = "") -> HistokitError:
        """The error as the first process raises it, with what that one adds to what was found."""
        kinds = [getattr(errors, self.kind, None), *vars(errors).values()]
        error = next(k for k in kinds if _plain(k) and k.exit_code == self.exit_code)
        found = "; ".join(filter(None, (self.found, more)))
        what = f"process {self.rank}: {self.what}"
        told: HistokitError = error(what, expected=self.expected, found=found, hint=self.hint)
        return told


@contextmanager
def ending_together(machine: Machine) -> Iterator[None]:
    """Where an error ends one process, all of them end, and the first tells what it was.

    The first process raises its own error, or that which any other met first; the others end
    quietly once it has heard. Where it cannot be reached, each tells its own. An `Interrupted` is
    raised by all processes after the same step and needs no words.
    """
    if machine.world == 1:
        yield
        return
    store = _get_default_store()
    try:
        yield
    except Interrupted:
        if machine.rank == 0:
            raise
        raise SystemExit(0) from None
    except (Exception, KeyboardInterrupt) as error:
        why = _why(error, store, machine.rank)
        _leave()
        if machine.rank == 0:
            told = _heard_by_first(error, why, store, machine)
        elif why is not None and _followed(store):
            told = SystemExit(0)
        else:
            told = _lost(error)
        if told is error:
            raise
        raise told from error


def _why(error: BaseException, store: Store, rank: int) -> Failure | None:
    """The failure that ended the training; None where a process ended without a word."""
    try:
        if _is_consequence(error):
            store.wait([FIRST], timedelta(seconds=WAIT))
            told = store.get(FIRST)
        else:
            own = json.dumps(asdict(Failure.of(error, rank)))
            told = store.compare_set(FIRST, "", own)
    except (DistError, RuntimeError):  # the store went with the process that held it
        return None
    return Failure(**json.loads(told))


def _heard_by_first(
    error: BaseException, why: Failure | None, store: Store, machine: Machine
) -> BaseException:
    """What the first process raises, after the others know that it will."""
    store.set(HEARD, "yes")
    deadline = time.monotonic() + WAIT / 4
    while store.add(LEFT, 0) < machine.world - 1:
        if time.monotonic() > deadline:  # a GPU may wait for ever for a process that is lost
            machine.end_others()
            break
        time.sleep(0.05)
    if not _is_consequence(error):
        return error
    more = error.found if isinstance(error, HistokitError) else ""
    return _lost(error) if why is None else why.told(more)


def _followed(store: Store) -> bool:
    """Whether the first process will tell."""
    try:
        store.wait([HEARD], timedelta(seconds=WAIT))
        store.add(LEFT, 1)
    except (DistError, RuntimeError):
        return False
    return True


def _is_consequence(error: BaseException) -> bool:
    """Whether an error only shows that another process has one."""
    if isinstance(error, NonFiniteElsewhere | DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error).lower()


def _lost(error: BaseException) -> BaseException:
    """What is told of another process that is gone without a word."""
    if not _is_consequence(error):
        return error
    return HistokitError(
        "another process of this training ended without a word",
        found=str(error).partition("\n")[0],
        hint="look at what the other machines and processes say; then go on with --resume",
    )


def _leave() -> None:
    """Closes the connections, so that processes that wait for this one learn that it is gone."""
    leaving = Thread(target=_close, daemon=True)
    leaving.start()
    leaving.join(WAIT / 4)  # a GPU that waits for a lost process may never be done


def _close() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _plain(kind: object) -> bool:
    """Whether something is a class of errors that is made from a sentence."""
    return (
        isinstance(kind, type)
        and issubclass(kind, HistokitError)
        and kind.__init__ is HistokitError.__init__
    )
