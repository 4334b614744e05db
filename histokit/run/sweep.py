"""`histokit sweep`: methods times shifts times seeds, each cell trained and scored once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histokit.errors import (
    DataError,
    HistokitError,
    Interrupted,
    PartialFailure,
    RunBusy,
    UsageError,
)
from histokit.io.runs import RunFolder, list_runs
from histokit.registry.refs import parse_ref
from histokit.run.evaluate import EvalOptions, evaluate
from histokit.run.events import Event, Finished, ItemDone, Noted
from histokit.run.plan import RunPlan, make_plan
from histokit.run.train import resume, train

TABLE = "per_image.csv"


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the grid: the method as typed, source and target, and the whole plan."""

    method: str
    source: str
    target: str
    plan: RunPlan

    def __str__(self) -> str:
        return f"{self.method}, {self.source} to {self.target}, seed {self.plan.run.seed}"


@dataclass(slots=True)
class Sweep:
    """A grid on its way.

    Attributes:
        cells: all of them, in the order in which they are done.
        runs: folder of their run folders. A cell is known again by the digest of its plan, so a
            sweep that was stopped goes on, and a finished one does nothing.
        done: the run folder of each finished cell, by its place in `cells`.
        failed: why a cell failed, by its place.
    """

    cells: Sequence[Cell]
    runs: Path
    done: dict[int, RunFolder] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    def go(self) -> Iterator[Event]:
        """Trains and scores what is missing; a cell that fails is noted and the next one begun."""
        known = runs_by_digest(self.runs)
        for place, cell in enumerate(self.cells):
            yield Noted(f"\ncell {place + 1} of {len(self.cells)}: {cell}")
            try:
                self.done[place] = yield from _finish(cell, known.get(cell.plan.digest()))
            except (Interrupted, RunBusy):
                raise
            except HistokitError as error:
                self.failed[place] = " ".join(str(error).split())
                yield Noted(f"cell {place + 1} failed: {error}", warning=True)


def plan_sweep(
    methods: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    seeds: int,
    out: Path,
    preset: str = "",
    sets: Sequence[str] = (),
    run_values: Mapping[str, Any] | None = None,
) -> Sweep:
    """The grid, with every setting checked before anything is trained.

    Args:
        methods: names, or ``name:preset``.
        pairs: source and target of each shift.
        seeds: trainings of each method and shift, seeds counting up from 0.
        out: folder of the sweep; run folders go into its ``runs``.
        preset: of the methods that have it and name none.
        sets: ``KEY=VALUE`` for every method, or ``METHOD.KEY=VALUE`` for one.
        run_values: settings that all runs share.

    Raises UsageError where a cell is named twice, else what `make_plan` raises.
    """
    cells: list[Cell] = []
    for source, target in pairs:
        for seed in range(seeds):
            values = {**(run_values or {}), "source": source, "target": target}
            values |= {"runs": out / "runs", "seed": seed}
            for method in methods:
                plan = _plan(method, methods, preset, sets, values)
                cells.append(Cell(method, source, target, plan))
    digests = [cell.plan.digest() for cell in cells]
    for place, digest in enumerate(digests):
        if digest in digests[:place]:
            raise UsageError("a cell of the sweep stands there twice", found=str(cells[place]))
    return Sweep(cells, out / "runs")


def parse_pairs(text: str) -> list[tuple[str, str]]:
    """``a:b,c:d`` as pairs of source and target; ``a to b`` where a name holds a colon.

    Raises UsageError.
    """
    pairs = []
    for part in text.split(","):
        source, _, target = part.partition(" to " if " to " in part else ":")
        if not source.strip() or not target.strip() or (" to " not in part and ":" in target):
            raise UsageError(
                f"{part.strip()!r} is no pair of data sets",
                expected="SOURCE:TARGET, or 'SOURCE to TARGET' where a name holds a colon",
                hint="--pairs monuseg:tnbc,tnbc:monuseg",
            )
        pairs.append((source.strip(), target.strip()))
    return pairs


def runs_by_digest(runs: Path) -> dict[str, RunFolder]:
    """The newest run of each plan; a folder that cannot be read is trained anew."""
    found: dict[str, RunFolder] = {}
    for run in list_runs(runs):
        try:
            found.setdefault(str(run.settings().get("digest")), run)
        except DataError:
            continue
    return found


def _plan(
    method: str,
    methods: Sequence[str],
    preset: str,
    sets: Sequence[str],
    values: Mapping[str, Any],
) -> RunPlan:
    ref = parse_ref(method)
    if ref.kind != "method":
        raise UsageError(f"{method!r} is no method", hint="see `histokit methods list`")
    own = []
    for text in sets:
        owner, dot, rest = text.partition("=")[0].partition(".")
        if not dot:
            own.append(text)
        elif owner == method.partition(":")[0]:
            own.append(rest + text[text.index("=") :] if "=" in text else rest)
        elif owner not in {name.partition(":")[0] for name in methods}:
            raise UsageError(f"--set {text} names no method of the sweep", found=owner)
    bare = make_plan(ref.name, preset=ref.preset, sets=own, run_values=values)
    if ref.preset or preset not in bare.spec.presets:
        return bare
    return make_plan(ref.name, preset=preset, sets=own, run_values=values)


def _finish(cell: Cell, known: RunFolder | None) -> Generator[Event, None, RunFolder]:
    """Brings a cell to its end from wherever it stands; gives its run folder."""
    run = known
    if run is None or not (_finished(run) or run.begun):
        for event in train(cell.plan):
            yield event
            if isinstance(event, Finished):
                run = RunFolder(event.run)
    elif not _finished(run):
        yield from resume(run.path)
    if run is None:
        raise DataError(f"the training of {cell} left no run folder")
    if (run.report / TABLE).is_file():
        yield Noted(f"{run.path} is trained and scored")
        return run
    yield from _score(cell, run)
    if not (run.report / TABLE).is_file():
        raise DataError(f"{run.path} was not scored", expected=str(run.report / TABLE))
    return run


def _finished(run: RunFolder) -> bool:
    return run.state().get("status") == "finished"


def _score(cell: Cell, run: RunFolder) -> Iterator[Event]:
    """Scores the test images of the target; images that fail stay in the table and are told."""
    how = cell.plan.run
    options = EvalOptions(
        ref=str(run.path), target=cell.target, device=how.device, precision=how.precision
    )
    try:
        for event in evaluate(options):
            if not isinstance(event, ItemDone):
                yield event
    except PartialFailure as error:
        yield Noted(str(error), warning=True)
