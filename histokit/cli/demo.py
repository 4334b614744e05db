"""`histokit demo`: the main job on made-up images, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from histokit.cli import console
from histokit.cli.evaluate import as_json, comparison_table
from histokit.cli.events import shown
from histokit.cli.lazy import Command

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and report.")] = Path(
        "demo"
    ),
    steps: Annotated[int, typer.Option(min=3, help="Training steps of each method.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of training.")] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Walk through training, adaptation and evaluation on made-up images.

    Needs no data and no GPU. Trains a network on one kind of made-up tissue, adapts it to another
    without its labels, and compares both with a network that was given them.
    """
    from histokit.run.demo import DemoOptions
    from histokit.run.demo import demo as run_demo
    from histokit.run.events import Compared

    for event in shown(run_demo(DemoOptions(steps=steps, out=out, seed=seed, device=device))):
        if not isinstance(event, Compared):
            continue
        if json:
            console.result_json(
                {"report": event.page, "methods": [as_json(e) for e in event.evaluations]}
            )
            return
        console.result(f"\nTest images of the target ({event.evaluations[0].target}):")
        comparison_table(event.evaluations, ("dice", "aji", "pq"))
        console.result(f"report: {event.page}")
