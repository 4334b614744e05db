"""The errors of histokit, with the exit code that each one ends a command with.

    HistokitError                       1   something a user should be told in plain words
    ├── UsageError                      2   the command line is off
    │   └── UnknownName                 2   no such method, data set, network or preset
    ├── ConfigError                     3   one or more settings are wrong; carries all of them
    ├── DataError                       3   a file or folder is not what it should be
    ├── NonFiniteLoss                   3   training met NaN or infinity
    ├── PluginError                     4   a plugin is missing, broken or too old
    │   ├── AmbiguousName               4   two distributions offer one name
    │   └── ContractError               4   a plugin broke a promise of the interfaces
    ├── PartialFailure                  5   some items failed, the others are done
    ├── DeviceError                     6   no such device, or it ran out of memory
    ├── VerificationFailed              7   a check said no
    ├── RunBusy                         8   another process holds the run folder
    └── Interrupted                   130   stopped on request, state saved

Only `histokit.cli` catches them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar


class HistokitError(Exception):
    """A failure told to the user: what happened, what was expected and found, what to type next.

    Args:
        what: one sentence, with the path or name concerned.
        expected: what would have been right.
        found: what was there instead.
        hint: what to type or change next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, expected: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.found = found
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        named = (("expected", self.expected), ("found", self.found), ("try", self.hint))
        lines += [f"  {label}: {text}" for label, text in named if text]
        return "\n".join(lines)


class UsageError(HistokitError):
    """The command line cannot be understood."""

    exit_code = 2


class UnknownName(UsageError):
    """A method, data set, network or preset that nobody offers; names the nearest ones.

    Args:
        kind: what was looked for, such as ``method``.
        name: the word that was typed.
        known: every word that would have been right.
        hint: what to type next; by default the nearest known words.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        if near and not hint:
            hint = "did you mean " + " or ".join(near) + "?"
        super().__init__(
            f"no {kind} is called {name!r}",
            expected="one of " + ", ".join(known) if known else f"an installed {kind}",
            hint=hint,
        )
        self.near = near


class ConfigError(HistokitError):
    """One or more settings are wrong. `problems` holds a line for each, with its origin."""

    exit_code = 3

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        count = len(problems)
        head = "1 setting is wrong" if count == 1 else f"{count} settings are wrong"
        super().__init__("\n".join([head + ":", *(f"  {line}" for line in problems)]), hint=hint)
        self.problems = list(problems)


class DataError(HistokitError):
    """A file or folder of data is missing, damaged or not of the promised form."""

    exit_code = 3


class NonFiniteLoss(HistokitError):
    """A loss became NaN or infinite; the message names the step and the batch."""

    exit_code = 3


class PluginError(HistokitError):
    """A plugin is missing, broken or not made for this version."""

    exit_code = 4


class AmbiguousName(PluginError):
    """Two distributions offer the same name; the message names both."""


class ContractError(PluginError):
    """A plugin returned something that the interfaces do not allow."""


class PartialFailure(HistokitError):
    """Some items failed and are listed; the others are finished."""

    exit_code = 5


class DeviceError(HistokitError):
    """The device does not exist or ran out of memory."""

    exit_code = 6


class VerificationFailed(HistokitError):
    """A check that the user asked for did not pass."""

    exit_code = 7


class RunBusy(HistokitError):
    """Another process holds the lock of the run folder."""

    exit_code = 8


class Interrupted(HistokitError):
    """The user or the system stopped the command; the state is saved."""

    exit_code = 130
