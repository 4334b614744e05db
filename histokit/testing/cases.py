"""The checks of a card as cases of pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from histokit.interfaces import DatasetSpec, MethodSpec
from histokit.testing.checks import Check, CheckResult
from histokit.testing.kit import (
    DATASET_CHECKS,
    METHOD_CHECKS,
    NETWORK_CHECKS,
    Spec,
    check_dataset,
    check_method,
    check_network,
)


def parametrize(spec: Spec, **options: Any) -> pytest.MarkDecorator:
    """Makes a test of each check of a card::

        @parametrize(SPEC)
        def test_conformance(check):
            check()

    Args:
        spec: the card of a method, a data set or a network.
        options: what `check_method`, `check_dataset` or `check_network` takes beside it.
    """
    checks: Sequence[Check]
    if isinstance(spec, MethodSpec):
        checks, results = METHOD_CHECKS, check_method(spec, **options)
    elif isinstance(spec, DatasetSpec):
        checks, results = DATASET_CHECKS, check_dataset(spec, **options)
    else:
        checks, results = NETWORK_CHECKS, check_network(spec, **options)
    ask = _Asked(results)
    cases = [pytest.param(ask.of(one.name), id=one.name) for one in checks]
    return pytest.mark.parametrize("check", cases)


class _Asked:
    """The results of a run of checks, each made when it is first asked for."""

    def __init__(self, results: Iterator[CheckResult]) -> None:
        self.results = results
        self.known: dict[str, CheckResult] = {}

    def of(self, name: str) -> Callable[[], None]:
        """A function that passes, fails, skips or is excused as the check does."""

        def case() -> None:
            while name not in self.known:
                result = next(self.results)
                self.known[result.name] = result
            _tell(self.known[name])

        return case


def _tell(result: CheckResult) -> None:
    if result.status == "failed":
        pytest.fail(f"{result.name}: {result.promise}\n{result.reason}", pytrace=False)
    if result.status == "expected":
        pytest.xfail(result.reason)
    if result.status == "skipped":
        pytest.skip(result.reason)
