"""What a check is, and how a list of them is run over a plugin."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from histokit.errors import HistokitError, UnknownName, VerificationFailed

Status = Literal["ok", "failed", "expected", "skipped"]
"""``expected``: it failed, and its author declared that with a reason."""

CORE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the interfaces, and the function that tries it.

    Attributes:
        name: the word by which an author declares that it is expected to fail.
        promise: what holds where the check passes, in one sentence.
        run: takes the plugin under test; raises where the promise is broken.
        needs: names of the checks without which this one says nothing.
        applies: whether the promise concerns a plugin at all.
    """

    name: str
    promise: str
    run: Callable[[Any], None]
    needs: tuple[str, ...]
    applies: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check went; `reason` is empty where it is ok."""

    name: str
    promise: str
    status: Status
    reason: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong that its author did not declare."""
        return self.status != "failed"


def _always(subject: Any) -> bool:
    del subject
    return True


def check(
    *, needs: tuple[str, ...] = (), applies: Callable[[Any], bool] = _always
) -> Callable[[Callable[[Any], None]], Check]:
    """Makes a `Check` of a function: its name, and the first sentence of its docstring."""

    def made(function: Callable[[Any], None]) -> Check:
        promise = " ".join((function.__doc__ or "").split()).removesuffix(".")
        name = function.__name__.replace("_", "-")
        return Check(name, promise, function, needs, applies)

    return made


def broken(what: str, *, expected: str = "", found: str = "") -> VerificationFailed:
    """The error of a check whose promise does not hold."""
    return VerificationFailed(what, expected=expected, found=found)


def examine(
    checks: Sequence[Check], subject: Any, expected_failures: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Runs the checks in order, one result each.

    Args:
        checks: each after those that it needs.
        subject: what they are run on.
        expected_failures: names of checks that are known to fail, each with the reason. Such a
            check that passes counts as failed, so that no excuse outlives its cause.

    Raises UnknownName for an expected failure that is no check.
    """
    names = {one.name for one in checks}
    for name in expected_failures:
        if name not in names:
            raise UnknownName("check", name, names)
    passed: set[str] = set()
    for one in checks:
        result = _tried(one, subject, passed)
        if result.status == "ok" or result.reason == NOT_CONCERNED:
            passed.add(one.name)
        excuse = expected_failures.get(one.name)
        yield result if excuse is None else _excused(result, excuse)


NOT_CONCERNED = "does not concern it"


def _tried(one: Check, subject: Any, passed: set[str]) -> CheckResult:
    lacking = [name for name in one.needs if name not in passed]
    if lacking:
        return CheckResult(one.name, one.promise, "skipped", f"needs {', '.join(lacking)}")
    try:
        if not one.applies(subject):
            return CheckResult(one.name, one.promise, "skipped", NOT_CONCERNED)
        one.run(subject)
    except HistokitError as error:
        return CheckResult(one.name, one.promise, "failed", _in_a_line(error))
    except (Exception, SystemExit) as error:  # whatever a plugin does is a finding
        return CheckResult(one.name, one.promise, "failed", _told(error))
    return CheckResult(one.name, one.promise, "ok")


def _excused(result: CheckResult, excuse: str) -> CheckResult:
    if result.status == "failed":
        return CheckResult(result.name, result.promise, "expected", f"{excuse}: {result.reason}")
    if result.status == "ok":
        reason = f"it holds, though it is declared to fail ({excuse}); take that declaration out"
        return CheckResult(result.name, result.promise, "failed", reason)
    return result


def _in_a_line(error: HistokitError) -> str:
    named = (("expected", error.expected), ("found", error.found))
    parts = [error.what, *(f"{label} {text}" for label, text in named if text)]
    return "; ".join(" ".join(part.split()) for part in parts)


def _told(error: BaseException) -> str:
    """The error with the last line of the plugin that it passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(CORE)]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
