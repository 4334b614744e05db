"""`histokit sweep METHOD… --pairs a:b,c:d --seeds 3`: a grid of trainings and its leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from histokit.cli import completion, console
from histokit.cli.evaluate import interval, number
from histokit.cli.events import shown
from histokit.cli.lazy import Command
from histokit.errors import PartialFailure

if TYPE_CHECKING:
    from histokit.metrics.table import Summary
    from histokit.run.leaderboard import Standing
    from histokit.run.sweep import Sweep

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("sweep", cls=Command)
def sweep(
    methods: Annotated[
        list[str],
        typer.Argument(
            metavar="METHOD…",
            help="Methods, each METHOD or METHOD:PRESET.",
            autocompletion=completion.methods,
        ),
    ],
    pairs: Annotated[
        str,
        typer.Option(help="Shifts as SOURCE:TARGET,…; 'SOURCE to TARGET' where names hold colons."),
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each method and shift.")] = 3,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the sweep.")] = Path("sweep"),
    preset: Annotated[str, typer.Option(help="Preset of the methods that have it.")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; METHOD.KEY=VALUE for one."),
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds data sets.")] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Train and score every method on every shift with every seed, and rank them.

    Typed again it goes on where it stopped: what is trained and scored is kept. A training that
    fails is reported and the others go on; the command then ends with exit code 5.
    """
    from histokit.run.leaderboard import standings, write_leaderboard
    from histokit.run.sweep import parse_pairs, plan_sweep

    values: dict[str, Any] = {"device": device}
    if data_root is not None:
        values["data_root"] = data_root
    grid = plan_sweep(
        methods, parse_pairs(pairs),
        seeds=seeds, out=out, preset=preset, sets=set_ or (), run_values=values,
    )  # fmt: skip
    for _ in shown(grid.go()):
        pass
    lines = standings(grid)
    page = write_leaderboard(out, grid, lines)
    if json:
        console.result_json(as_json(grid, lines, page))
    else:
        _tell(lines, page)
    require_all(grid)


def _tell(lines: list[Standing], page: Path) -> None:
    from histokit.run.leaderboard import SHOWN

    rows = []
    for s in lines:
        cells = []
        for name in SHOWN:
            m = s.summaries.get(name)
            span = interval(m.low, m.high) if m is not None else None
            mean = number(m.mean) if m is not None else None
            cells.append(mean if span is None else f"{mean} ({span})")
        rows.append([f"{s.source} to {s.target}", s.method, f"{s.seeds}/{s.asked}", *cells, s.n])
    console.table(rows, ["shift", "method", "seeds", *SHOWN, "images"])
    console.result(f"leaderboard: {page}")


def as_json(grid: Sweep, lines: list[Standing], page: Path) -> dict[str, Any]:
    """A sweep as the machine-readable result."""
    return {
        "leaderboard": page,
        **cells_json(grid),
        "standings": [
            {
                "source": s.source,
                "target": s.target,
                "method": s.method,
                "seeds": s.seeds,
                "images": s.n,
                "metrics": means_json(s.summaries),
            }
            for s in lines
        ],
    }


def cells_json(grid: Sweep) -> dict[str, Any]:
    """How many trainings there are, the runs of those that are done, and why others failed."""
    return {
        "cells": len(grid.cells),
        "runs": [run.path for _, run in sorted(grid.done.items())],
        "failed": [
            {"cell": str(grid.cells[place]), "reason": why}
            for place, why in sorted(grid.failed.items())
        ],
    }


def means_json(summaries: Mapping[str, Summary]) -> dict[str, Any]:
    """Mean and interval of each metric, and how many images they are of."""
    return {
        name: {"mean": s.mean, "low": s.low, "high": s.high, "n": s.n}
        for name, s in summaries.items()
    }


def require_all(grid: Sweep) -> None:
    """Raises PartialFailure, with the reasons, where trainings failed."""
    if grid.failed:
        raise PartialFailure(
            f"{len(grid.failed)} of {len(grid.cells)} trainings failed:\n"
            + "\n".join(f"  {grid.cells[p]}: {why}" for p, why in sorted(grid.failed.items())),
            hint="the same command again tries only these",
        )
