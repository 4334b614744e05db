"""`histokit bench`: how fast methods and networks train and infer on the machine at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from histokit.errors import DataError, HistokitError, UnknownName
from histokit.io.files import require_folder, write_json
from histokit.registry.cards import Entry
from histokit.registry.methods import list_methods
from histokit.registry.networks import list_networks
from histokit.run.bench_against import Against, read_earlier
from histokit.run.costs.gauges import ON_CPU, ON_GPU, release
from histokit.run.costs.measure import measured, told_why
from histokit.run.costs.tasks import AS_NETWORK, Conditions, Task, tasks_of
from histokit.run.events import Event, Noted
from histokit.run.inputs import loading_processes
from histokit.run.machine import Machine, open_machine
from histokit.run.provenance import environment


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What `bench` is asked to do.

    Attributes:
        refs: methods, presets and networks; none stands for all that are installed.
        size: side of a window in pixels.
        batch: windows at once.
        train: whether training steps are measured, too.
        compiled: whether everything is measured compiled as well.
        channels_last: whether networks and training images are laid out so.
        warmup: calls before those that are timed.
        repeats: calls that are timed.
        workers: processes that load training data; below 0 as many as `train` takes.
        seed: of weights and made-up images.
        out: a JSON file of the result, or None.
        against: such a file of an earlier time, to compare with, or None.
        device: where to compute.
        precision: number format.
        settings: of the methods; see `Conditions`.
    """

    refs: Sequence[str] = ()
    size: int = 256
    batch: int = 1
    train: bool = True
    compiled: bool = False
    channels_last: bool = False
    warmup: int = 1
    repeats: int = 5
    workers: int = -1
    seed: int = 0
    out: Path | None = None
    against: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one task is.

    Attributes:
        subject: the method or network, as typed.
        task: ``forward``, ``segment``, ``translate`` or ``train PHASE``; empty where the subject
            could not be built.
        compiled: whether its networks were compiled.
        side: of a window in pixels, which may be more than was asked for.
        median_ms: milliseconds of one call, without waiting for data.
        lower_ms, upper_ms: its quartiles.
        images_per_s: windows of all domains that training takes in a second, waiting included.
        megapixels_per_s: of the windows that inference takes in; objects are not decoded.
        waited: share of the time of training that went into waiting for data, in 0..1.
        memory_bytes: most bytes of tensors at one time, from building on.
        reason: why it could not be measured; empty where it was.
    """

    subject: str
    task: str
    compiled: bool
    side: int
    median_ms: float | None = None
    lower_ms: float | None = None
    upper_ms: float | None = None
    images_per_s: float | None = None
    megapixels_per_s: float | None = None
    waited: float | None = None
    memory_bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Benched:
    """Measuring is over: the rows, what they were measured on and how, and the comparison."""

    rows: Sequence[Speed]
    about: dict[str, Any]
    against: Against | None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values; `bench_against.read_earlier` reads them again."""
        found = {**self.about, "rows": [asdict(row) for row in self.rows]}
        if self.against is not None:
            found["against"] = self.against.as_dict()
        return found


def bench(options: BenchOptions) -> Iterator[Event | Benched]:
    """Measures every task of every method and network; ends with `Benched`.

    Weights are fresh, images made up and in memory. What cannot run is a row with its reason.
    Raises DataError at the end where nothing could run.
    """
    earlier = read_earlier(options.against) if options.against is not None else None
    if options.out is not None:
        require_folder(options.out.parent)
    machine = open_machine(options.device, options.precision)
    broken, refs = _installed() if not options.refs else ([], list(options.refs))
    rows = [_refused(entry.typed, options, False, entry.reason) for entry in broken]
    for how in _conditions(options, machine):
        for ref in refs:
            for row in _rows_of(ref, how, options):
                rows.append(row)
                yield _told(row, len(rows))
    about = {**_about(options, machine), **environment(machine)}
    against = earlier.against(about, [asdict(row) for row in rows]) if earlier else None
    found = Benched(rows, about, against)
    if options.out is not None:
        write_json(options.out, found.as_dict())
    yield from (Noted(text, warning=True) for text in (against.warnings if against else ()))
    yield found
    if rows and all(row.reason for row in rows):
        raise DataError("nothing could be measured", found=f"{rows[0].subject}: {rows[0].reason}")


def _installed() -> tuple[list[Entry], list[str]]:
    """Plugins that are broken, and every method and network that is not, by the word to type."""
    methods, networks = list_methods(), list_networks()
    broken = [entry for entry in (*methods, *networks) if entry.status == "broken"]
    names = [entry.typed for entry in methods if entry.status == "ok"]
    for entry in networks:
        if entry.status == "ok":
            names.append(f"{AS_NETWORK}{entry.typed}" if entry.typed in names else entry.typed)
    return broken, names


def _conditions(options: BenchOptions, machine: Machine) -> list[Conditions]:
    """Those of all rows: as networks are and, where asked for, compiled."""
    return [
        Conditions(
            machine,
            options.size,
            options.batch,
            options.train,
            options.seed,
            channels_last=options.channels_last,
            compiled=compiled,
            workers=loading_processes(options.workers, machine),
            settings=options.settings,
        )
        for compiled in ((False, True) if options.compiled else (False,))
    ]


def _rows_of(ref: str, how: Conditions, options: BenchOptions) -> Iterator[Speed]:
    """A row a task, or one that says why there is none. Raises UnknownName."""
    device = how.machine.device
    try:
        with told_why(device):
            tasks = tasks_of(ref, how)
    except UnknownName:
        raise
    except HistokitError as error:
        yield _refused(ref, options, how.compiled, error.what)
        return
    for task in tasks:
        yield _speed(task, how, options)
        release(device)


def _speed(task: Task, how: Conditions, options: BenchOptions) -> Speed:
    """What was measured of a task, or why it could not be."""
    device = how.machine.device
    try:
        with told_why(device):
            found = measured(
                task, device, warmup=options.warmup, repeats=options.repeats, draw=True
            )
    except HistokitError as error:
        return Speed(task.subject, task.name, how.compiled, task.side, reason=error.what)
    job, took = found.job, found.took
    per_s = job.images / took.median
    trained = job.draw is not None
    return Speed(
        task.subject,
        task.name,
        how.compiled,
        task.side,
        median_ms=1000 * took.median,
        lower_ms=1000 * took.lower,
        upper_ms=1000 * took.upper,
        images_per_s=per_s * (1 - took.waited) if trained else None,
        megapixels_per_s=None if trained else per_s * task.side**2 / 1e6,
        waited=took.waited if trained else None,
        memory_bytes=found.memory,
    )


def _refused(subject: str, options: BenchOptions, compiled: bool, reason: str) -> Speed:
    text = " ".join(reason.split())
    return Speed(subject, "", compiled, options.size, reason=text or "it is broken")


def _told(row: Speed, number: int) -> Event:
    key = " ".join(filter(None, (row.subject, row.task, "compiled" if row.compiled else "")))
    if row.reason:
        return Noted(f"{number} {key}  cannot run: {row.reason}")
    return Noted(f"{number} {key}  {row.median_ms:.4g} ms")


def _about(options: BenchOptions, machine: Machine) -> dict[str, Any]:
    """How everything was measured."""
    return {
        "size": options.size,
        "batch": options.batch,
        "precision": machine.precision,
        "channels_last": options.channels_last,
        "settings": dict(options.settings),
        "threads": torch.get_num_threads(),
        "workers": loading_processes(options.workers, machine),
        "warmup": options.warmup,
        "repeats": options.repeats,
        "seed": options.seed,
        "memory": ON_GPU if machine.on_gpu else ON_CPU,
    }
