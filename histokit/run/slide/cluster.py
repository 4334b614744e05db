"""The blocks of a slide worked out by many processes, on this machine or others, by Ray."""

from __future__ import annotations

import importlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from itertools import groupby
from typing import Any, Generic, TypeAlias, TypeVar, final

from histokit.errors import ContractError, DeviceError, HistokitError, PluginError
from histokit.io.chunks import Arrays
from histokit.run.slide.engine import Engine
from histokit.run.slide.kept import Form
from histokit.run.slide.plan import Block, SlidePlan
from histokit.run.slide.task import Task
from histokit.run.slide.work import Recipe, SlideWork, TranslationWork

R = TypeVar("R")
Strip: TypeAlias = tuple[Block, ...]
"""Some blocks side by side, which share windows."""
LONGEST = 4
"""Most blocks of a strip."""
DEATHS = 3
"""Processes that may die of a slide and are replaced; one more ends the work."""
PATIENCE = 600.0
"""Seconds within which Ray begins a process where none works."""
ALONE = "127.0.0.1"
"""Where a Ray that is started here listens: other machines do not reach it."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""What keeps Ray from reporting its use, and from warning of a default that is to change."""


@final
class Worker(Generic[R]):
    """Works out blocks of one slide in a process of its own.

    Args:
        make: gives the engine; called when the first blocks come, as it loads the method.
        form: how results travel.
    """

    def __init__(self, make: Callable[[], Engine[R]], form: Form[R]) -> None:
        self._make, self._form = make, form

    @cached_property
    def _engine(self) -> Engine[R]:
        return self._make()

    def begun(self) -> list[tuple[int, Arrays]]:
        """Nothing; there is an answer when the process has its place on a machine."""
        return []

    def work_out(self, strip: Strip) -> list[tuple[int, Arrays]]:
        """The number and the packed result of each block."""
        return [(block.number, self._form.pack(result)) for block, result in self._engine(strip)]


def require_ray() -> Any:
    """The library. Raises PluginError where it is missing."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise PluginError(
            "ray, which spreads a slide over processes, is not installed",
            found=str(error),
            hint='pip install "histokit-core[ray]", or --engine local',
        ) from error


def clustered(
    plan: SlidePlan,
    work: SlideWork | TranslationWork,
    outputs: int,
    make: Callable[[Recipe, Task], Engine[R]],
    form: Form[R],
) -> Engine[R]:
    """Works out blocks in processes of Ray, one a device, each of which loads the method and opens
    the slide for itself.

    Blocks are given out in strips, one a process at a time. The strip of a process that dies goes
    to the next one that is free, and another process takes its place, `DEATHS` times a slide.

    Args:
        plan: of the slide.
        work: what is asked, with a recipe.
        outputs: channels of what the network gives.
        make: gives the engine of a process.
        form: how results travel.

    Raises what the processes raise, PluginError without Ray, and DeviceError where there is none
    at the address, no process gets a place, or too many die.
    """
    ray, recipe = require_ray(), work.recipe
    if recipe is None:
        raise ContractError("a slide goes to other processes only with a recipe of its method")
    begin = partial(make, recipe, Task.of(plan, work.windows, work.options, outputs))

    def engine(blocks: Sequence[Block]) -> Generator[tuple[Block, R], None, None]:
        by_number = {block.number: block for block in blocks}
        _connect(ray, work.options.ray_address)
        share, size = _share(ray, work.options.workers, recipe.device)
        worker = ray.remote(**share)(Worker)
        crew = _Crew(ray, lambda: worker.remote(begin, form), size, share)
        longest = min(LONGEST, -(-len(blocks) // (2 * size)))
        with closing(crew):
            for number, arrays in crew.work_out(strips(blocks, plan.across, longest)):
                yield by_number[number], form.unpack(arrays)

    return engine


def strips(blocks: Sequence[Block], across: int, longest: int) -> Iterator[Strip]:
    """Blocks in a row without a gap, so many at most; `across` are those of a whole row."""

    def run(place: int) -> tuple[int, int]:
        number = blocks[place].number
        return number // across, number - place

    for _, places in groupby(range(len(blocks)), run):
        row = [blocks[place] for place in places]
        for start in range(0, len(row), max(longest, 1)):
            yield tuple(row[start : start + max(longest, 1)])


@final
class _Crew:
    """Processes that work on one slide, as many as get a place on a machine.

    Args:
        ray: the library, connected.
        begin: starts a process.
        size: how many there are to be.
        share: what each asks of its machine.
    """

    def __init__(
        self, ray: Any, begin: Callable[[], Any], size: int, share: Mapping[str, int]
    ) -> None:
        self._ray, self._begin, self._share = ray, begin, share
        self._deaths = 0
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Strip]] = {}
        for _ in range(size):
            self._start()

    def work_out(self, wanted: Iterator[Strip]) -> Iterator[tuple[int, Arrays]]:
        """The packed result of each block of some strips, as they come."""
        waiting = deque(wanted)
        while waiting or self._working:
            while waiting and self._idle:
                worker, strip = self._idle.pop(0), waiting.popleft()
                self._busy[worker.work_out.remote(strip)] = worker, strip
            done = self._next()
            worker, strip = self._busy.pop(done)
            try:
                found = self._ray.get(done)
            except self._ray.exceptions.RayTaskError as error:
                self._idle.append(worker)
                raise _told(error) from error
            except self._ray.exceptions.RayError as error:
                self._replace(worker, error)
                if strip:
                    waiting.appendleft(strip)
                continue
            self._idle.append(worker)
            yield from found

    def close(self) -> None:
        """Ends all processes."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            self._ray.kill(worker)

    @property
    def _working(self) -> bool:
        return any(strip for _, strip in self._busy.values())

    def _start(self) -> None:
        worker = self._begin()
        self._busy[worker.begun.remote()] = worker, ()

    def _next(self) -> Any:
        """The next answer of a process."""
        patience = None if self._working else PATIENCE
        done, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=patience)
        if not done:
            share = ", ".join(f"{name}={count}" for name, count in self._share.items())
            free = self._ray.available_resources()
            raise DeviceError(
                f"no process of Ray has begun within {PATIENCE / 60:g} minutes",
                expected=f"a machine with room for {share}",
                found=f"free on all: {free.get('CPU', 0):g} CPUs, {free.get('GPU', 0):g} GPUs",
                hint="look at `ray status`; wait until others have left, or use --engine local",
            )
        return done[0]

    def _replace(self, worker: Any, error: Exception) -> None:
        self._ray.kill(worker)  # it may live on where only its result was lost
        self._deaths += 1
        if self._deaths > DEATHS:
            raise DeviceError(
                f"{self._deaths} processes died of this slide",
                found=str(error).strip().splitlines()[0],
                hint="lower --max-memory, --batch or --workers, or use --engine local",
            ) from error
        self._start()


def _told(error: Any) -> Exception:
    """What a process raised, where it is for users; else as Ray has it, with its traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, HistokitError) else error


def _share(ray: Any, wanted: int, device: str) -> tuple[dict[str, int], int]:
    """What each process asks of its machine, and how many there are to be: a GPU, or as many CPUs
    as leave room on the machines for all of them.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = 0 if device == "cpu" else sum(int(machine.get("GPU", 0)) for machine in machines)
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    size = min(wanted or gpus or len(machines), gpus or max(1, sum(cpus)))
    if gpus:
        return {"num_gpus": 1}, size
    fitting = (n for n in range(sum(cpus) // size, 1, -1) if sum(c // n for c in cpus) >= size)
    return {"num_cpus": next(fitting, 1)}, size


def _connect(ray: Any, address: str) -> None:
    """Connects to a Ray, or starts one on this machine alone; it ends with this process."""
    if ray.is_initialized():
        return
    quiet = {"log_to_driver": False, "configure_logging": False}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init("local", include_dashboard=False, _node_ip_address=ALONE, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise DeviceError(
            f"cannot connect to the Ray at {address}" if address else "cannot start Ray",
            expected="a cluster that runs, such as `ray start --head` begins",
            found=str(error).strip().splitlines()[0],
            hint="check --ray-address, or use --engine local",
        ) from error
