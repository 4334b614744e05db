"""`histokit train METHOD`: argv to a plan, events to the screen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from histokit.cli import console
from histokit.cli.addition import add, wants_addition
from histokit.cli.events import shown
from histokit.cli.lazy import method_command
from histokit.cli.options import CommonFlags
from histokit.config.run import RunConfig
from histokit.errors import HistokitError, UsageError

if TYPE_CHECKING:
    from histokit.interfaces.spec import MethodSpec
    from histokit.run.events import Event
    from histokit.run.plan import RunPlan


def _train(
    spec: MethodSpec, values: dict[str, Any], run_values: dict[str, Any], flags: CommonFlags
) -> None:
    from histokit.run.plan import make_plan

    if wants_addition(flags) and flags.resume is None:
        with _one_voice():
            _require_one_process(run_values)
        add(spec, values, run_values, flags)
        return
    if flags.resume is not None:
        with _one_voice():
            _refuse_settings(values, run_values, flags)
        _report(_resumed(spec, flags), flags)
        return
    with _one_voice():
        plan = make_plan(
            spec,
            preset=flags.preset or "",
            file=flags.config,
            sets=flags.set,
            method_values=values,
            run_values=run_values,
        )
    if flags.dry_run:
        _show_plan(plan, json=flags.json)
        return
    from histokit.run.train import train

    _report(train(plan), flags)


def _require_one_process(run_values: Mapping[str, Any]) -> None:
    """Raises UsageError where several processes would each train and score all of a series."""
    asked = [run_values.get(name, 1) for name in ("devices", "nodes")]
    if {"1"} != {str(number) for number in (*asked, os.environ.get("LOCAL_WORLD_SIZE", 1))}:
        raise UsageError(
            "a series of trainings runs in one process",
            expected="--base without --devices, --nodes and torchrun",
            hint="run it once for each of the --arms, beside each other",
        )


@contextmanager
def _one_voice() -> Iterator[None]:
    """What is wrong with a command line is told by the first process of each machine alone."""
    try:
        yield
    except HistokitError as error:
        if os.environ.get("LOCAL_RANK", "0") == "0":
            raise
        raise SystemExit(error.exit_code) from None


def _resumed(spec: MethodSpec, flags: CommonFlags) -> Iterator[Event]:
    from histokit.run.train import resume

    if flags.resume is None:
        raise UsageError("no run to resume")
    return resume(flags.resume, spec.name)


def _refuse_settings(
    values: dict[str, Any], run_values: dict[str, Any], flags: CommonFlags
) -> None:
    changed = [*values, *run_values, *(["config"] if flags.config else []), *flags.set]
    changed += ["the options of --base"] if wants_addition(flags) else []
    if changed or flags.preset:
        raise UsageError(
            "a resumed run keeps its settings",
            found=", ".join(changed) or f"preset {flags.preset}",
            hint=f"histokit train METHOD --resume {flags.resume}, without other options",
        )


def _report(events: Iterator[Event], flags: CommonFlags) -> None:
    from histokit.run.events import Finished
    from histokit.run.machine import speaks

    runs = [event for event in shown(events) if isinstance(event, Finished)]
    if not speaks():
        return
    if flags.json:
        console.result_json(
            [
                {
                    "run": event.run,
                    "step": event.step,
                    "score": event.score,
                    "selection": event.selection,
                    "seconds": event.seconds,
                }
                for event in runs
            ]
        )
        return
    for event in runs:
        score = "" if event.score is None else f", dice {event.score:.4f}"
        console.result(str(event.run))
        console.say(
            f"kept the weights of step {event.step} ({event.selection}{score}) "
            f"after {console.duration(event.seconds)}"
        )
        if event.score is not None:
            console.say(f"  next: histokit eval {event.run}")


def _show_plan(plan: RunPlan, *, json: bool) -> None:
    settings = plan.settings()
    if json:
        console.result_json(settings)
        return
    console.result(f"{plan.spec.name}: {plan.spec.summary}")
    console.result(f"reads while it trains: {plan.spec.access.value}\n")
    rows = [
        [name, item["value"], item["origin"]]
        for part in ("settings", "run")
        for name, item in settings[part].items()
    ]
    console.table(rows, ["setting", "value", "from"])


app = method_command(
    "train", _train, run=RunConfig, help="Train a method on a source, and adapt it to a target."
)
