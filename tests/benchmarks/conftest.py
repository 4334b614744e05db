"""What every benchmark shares: made-up nuclei, and a stopwatch for two versions of one task.

All here is marked slow, so that it runs by `make bench` alone. Times are seconds of processor time
of this process and its children, which other work on the machine changes little; a ratio is of
medians of calls that took turns.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

Call = Callable[[], object]

ROWS = pytest.StashKey[list["Row"]]()
SLACK = 0.8
"""Share of a goal that must be reached: repeats of one ratio differ by about a tenth."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: how many times longer the peer takes, what that should be at least, and why
    it is not where that is known.
    """

    what: str
    seconds: float
    peer: str
    peer_seconds: float
    goal: float
    missed: str

    @property
    def ratio(self) -> float:
        """Above 1 histokit is faster."""
        return self.peer_seconds / self.seconds

    @property
    def cells(self) -> tuple[str, ...]:
        """As words, for a table."""
        verdict = "yes" if self.ratio >= self.goal else f"no: {self.missed}".rstrip(": ")
        ours, theirs = (f"{1000 * value:.4g}" for value in (self.seconds, self.peer_seconds))
        goal = f"{self.goal:.3g}"
        return self.what, ours, self.peer, theirs, f"{self.ratio:.2f}", goal, verdict


HEAD = ("what", "ms", "beside", "its ms", "times faster", "goal", "met")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of all comparisons, in Markdown."""
    rows = [HEAD, tuple("---" for _ in HEAD), *(row.cells for row in config.stash[ROWS])]
    if config.stash[ROWS]:
        terminalreporter.section("beside others, in milliseconds of processor time")
        for row in rows:
            terminalreporter.write_line("| " + " | ".join(row) + " |")


def seconds(call: Call) -> float:
    """Processor time of a call, in this process and in those that it started and waited for."""
    began = _processor_time()
    call()
    return _processor_time() - began


def _processor_time() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@pytest.fixture
def beside(benchmark: Any, request: pytest.FixtureRequest) -> Callable[..., float]:
    """`beside(ours, peer, name="its name", goal=2)`: how many times faster ours is, by turns."""

    def compare(
        ours: Call,
        peer: Call,
        *,
        name: str,
        goal: float,
        rounds: int = 7,
        number: int = 1,
        warm: bool = True,
        missed: str = "",
    ) -> float:
        """Times `number` calls a turn, after a turn that does not count if `warm`. Fails where the
        ratio stays below 0.8 of the goal, unless `missed` says why it is known to be missed.
        """
        theirs: list[float] = []
        mine: list[float] = []

        def peers_turn() -> None:
            theirs.append(seconds(lambda: [peer() for _ in range(number)]))

        def our_turn() -> None:
            mine.append(seconds(lambda: [ours() for _ in range(number)]))

        benchmark.pedantic(our_turn, setup=peers_turn, rounds=rounds, warmup_rounds=warm)
        times = [median(taken[warm:]) / number for taken in (mine, theirs)]
        what = request.node.name.removeprefix("test_").replace("_", " ")
        row = Row(what, times[0], name, times[1], goal, missed)
        request.config.stash[ROWS].append(row)
        benchmark.extra_info.update(peer=name, ratio=row.ratio, goal=goal)
        assert missed or row.ratio >= SLACK * goal, f"{row.ratio:.2f} times faster than {name}"
        return row.ratio

    return compare


@pytest.fixture(scope="session")
def field() -> Callable[[int, int], np.ndarray]:
    """`field(side, count)`: at least `count` round nuclei of many sizes on a jittered grid, some of
    them touching; int32 [side side], the same each time.
    """
    return made_up_field


def made_up_field(side: int, count: int) -> np.ndarray:
    draws = np.random.default_rng(0)
    n = int(np.ceil(count**0.5))
    cell = side // n
    n = side // cell
    y, x = np.divmod(np.arange(side * side).reshape(side, side), side)
    row, col = np.minimum(y // cell, n - 1), np.minimum(x // cell, n - 1)
    own = row * n + col
    dy, dx = draws.uniform(0.35, 0.65, (2, n * n)) * cell
    radius = draws.uniform(0.3, 0.55, n * n) * cell
    inside = (y - row * cell - dy[own]) ** 2 + (x - col * cell - dx[own]) ** 2 < radius[own] ** 2
    _, named = np.unique(np.where(inside, own + 1, 0), return_inverse=True)
    return named.reshape(side, side).astype(np.int32)


@pytest.fixture(scope="session")
def mistaken() -> Callable[[np.ndarray], np.ndarray]:
    """`mistaken(truth)`: a prediction that shifts nuclei, drops some and merges some."""

    def wrong(truth: np.ndarray) -> np.ndarray:
        draws = np.random.default_rng(1)
        count = int(truth.max())
        named = np.arange(count + 1)
        named[1:][draws.random(count) < 0.08] = 0
        merged = np.flatnonzero(draws.random(count) < 0.1) + 1
        named[merged] = named[merged - 1]
        shifted = np.roll(named[truth], (2, 3), (0, 1))
        _, sequential = np.unique(shifted, return_inverse=True)
        return sequential.reshape(truth.shape).astype(np.int32)

    return wrong


@pytest.fixture(scope="session")
def stained() -> np.ndarray:
    """An H&E tile, uint8 [256 256 3]."""
    from histokit.data.synth_he import SynthHE

    made = SynthHE("breast", n_patients=1, images_per_patient=1, side=256)
    return made.image(made.records()[0])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Ours and theirs get one thread: processor time then tells the work, not the waiting."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
