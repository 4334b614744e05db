"""What more and more images of another data set do: `histokit train … --novel-batches 10,20`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histokit.errors import UsageError
from histokit.interfaces import MethodSpec
from histokit.registry.datasets import find_dataset, set_name
from histokit.registry.methods import find_preset
from histokit.registry.refs import parse_pool
from histokit.report.addition import Point, write_addition
from histokit.run.events import Event
from histokit.run.inputs import open_domains
from histokit.run.leaderboard import scored
from histokit.run.plan import RunPlan, make_plan
from histokit.run.sweep import Cell, Sweep

NOVEL = "novel"
"""The setting of a method that tells the members of a pool apart."""
OWN = ("source", "target", "pairs", "take")
"""Settings of the run that the experiment sets itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an addition is asked for.

    Attributes:
        spec: the card of the method.
        base: data set that is trained on and, its test part, scored on.
        novel: data set whose images are added.
        counts: how many of its images, 0 or more; each number is an experiment of its own.
        arms: presets that are trained beside each other; empty for those that the method names.
        preset: of all arms; an arm's preset wins over it.
        file: settings of all arms.
        sets: ``KEY=VALUE`` of all arms.
        method_values, run_values: as far as they were typed.
    """

    spec: MethodSpec
    base: str
    novel: str
    counts: tuple[int, ...]
    arms: tuple[str, ...] = ()
    preset: str = ""
    file: Path | None = None
    sets: tuple[str, ...] = ()
    method_values: Mapping[str, Any] | None = None
    run_values: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """The experiment on its way.

    Attributes:
        wanted: what was asked for.
        labels: of the arms, as the plot calls them.
        sweep: a training for each arm, number of images and seed; it knows finished ones again.
        places: of the trainings of an arm and a number, by both.
        out: folder of the table, the plot and the page.
    """

    wanted: Wanted
    labels: tuple[str, ...]
    sweep: Sweep
    places: Mapping[tuple[str, int], Sequence[int]]
    out: Path

    def go(self) -> Iterator[Event]:
        """Trains and scores what is missing; a training that fails is noted.

        Raises what is wrong with the data before anything is trained.
        """
        most = max(self.wanted.counts)
        open_domains(self.sweep.cells[self.places[self.labels[0], most][0]].plan, None)
        yield from self.sweep.go()

    def points(self) -> list[Point]:
        """The scores of each arm and number, over seeds."""
        found = []
        for (label, count), places in self.places.items():
            done = [self.sweep.done[place] for place in places if place in self.sweep.done]
            images, summaries = scored(done)
            found.append(Point(label, count, len(done), len(places), images, summaries))
        return found

    def write(self) -> Path:
        """Writes addition.csv, addition.png and the page, and gives the path of the page."""
        asked = self.wanted
        notes = [
            f"Trained on the training images of {asked.base} and so many of {asked.novel}, scored "
            f"on the test images of {asked.base}; a larger number holds the images of a smaller "
            "one. Weights are chosen on validation images of the base alone.",
            "Values are means over seeds of each image, then over images; intervals draw groups.",
            f"{len(self.sweep.done)} of {len(self.sweep.cells)} trainings are finished and scored.",
        ]
        notes += [f"All arms begin with preset {asked.preset}."] if asked.preset else []
        failed = sorted(self.sweep.failed.items())
        notes += [f"failed: {self.sweep.cells[place]}: {why}" for place, why in failed]
        title = f"{asked.spec.name}: images of {asked.novel} added to {asked.base}"
        return write_addition(self.out, title, self.points(), notes)


def plan_addition(wanted: Wanted) -> Addition:
    """The experiment, with every setting checked before anything is trained.

    Raises UsageError where the method does not tell base and novel images apart or an option does
    not fit, else what `make_plan` raises.
    """
    _require_fit(wanted)
    novel = _only_name(wanted.novel)
    arms = wanted.arms or getattr(wanted.spec.config, "arms", ()) or ("",)
    for arm in filter(None, arms):
        find_preset(wanted.spec, arm)
    presets = {
        arm or wanted.spec.name: ",".join(filter(None, (wanted.preset, arm))) for arm in arms
    }
    cells: list[Cell] = []
    places: dict[tuple[str, int], list[int]] = {}
    for count in sorted(set(wanted.counts)):
        for label, preset in presets.items():
            for plan in _plan(wanted, novel, count, preset).rounds():
                places.setdefault((label, count), []).append(len(cells))
                name = f"{label}, {count} images of {novel}"
                cells.append(Cell(name, plan.run.source, wanted.base, plan))
    runs = cells[0].plan.run.runs
    folder = f"addition_{wanted.spec.name}_{wanted.base}_{wanted.novel}"
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in folder)
    return Addition(wanted, tuple(presets), Sweep(cells, runs), places, runs / safe)


def _require_fit(wanted: Wanted) -> None:
    if NOVEL not in wanted.spec.config.model_fields:
        raise UsageError(
            f"{wanted.spec.name} does not tell base and novel images apart",
            expected=f"a method with the setting {NOVEL}",
            hint="see `histokit methods info NAME` for the settings of a method",
        )
    taken = [name for name in OWN if name in (wanted.run_values or {})]
    if taken:
        raise UsageError(
            "options do not go with --base, which makes its own plan",
            found=", ".join(f"--{name}" for name in taken),
        )


def _only_name(novel: str) -> str:
    """The name that the images of the novel data set bear in a pool."""
    members = parse_pool(novel)
    if len(members) > 1:
        raise UsageError(
            "several novel data sets", expected="one whose images are added", found=novel
        )
    return set_name(members[0], find_dataset(members[0].name))


def _plan(wanted: Wanted, novel: str, count: int, preset: str) -> RunPlan:
    """The plan of an arm with so many novel images; without any, on the base alone."""
    run: dict[str, Any] = {"balanced": True, **(wanted.run_values or {}), "target": wanted.base}
    method = dict(wanted.method_values or {})
    if count:
        run |= {"source": f"{wanted.base}+{wanted.novel}", "take": f"{novel}={count}"}
        method[NOVEL] = novel
    else:
        run |= {"source": wanted.base, "balanced": False}
        method.pop(NOVEL, None)
    plan = make_plan(
        wanted.spec,
        preset=preset,
        file=wanted.file,
        sets=wanted.sets,
        method_values=method,
        run_values=run,
    )
    if plan.run.folds:
        raise UsageError(
            "--base does not cross-validate",
            found=f"--folds {plan.run.folds}",
            hint="--repeats 3 trains with three seeds; --split-seed draws another test part",
        )
    return plan
