"""`histokit bench [METHOD|NETWORK…]`: how fast they train and infer on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import console
from histokit.cli import evaluate_options as words
from histokit.cli.events import shown
from histokit.cli.lazy import Command
from histokit.cli.profile import names, quartiles, scaled

if TYPE_CHECKING:
    from histokit.run.bench import Benched, Speed

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("bench", cls=Command)
def bench(
    refs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[METHOD[:PRESET]|NETWORK]…",
            help="Methods and networks; by default all that are installed.",
            autocompletion=names,
            show_default=False,
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Side of a window in pixels.")] = 256,
    batch: words.Batch = 1,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Measure a step of each phase, too.")
    ] = True,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Measure everything compiled as well.")
    ] = False,
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="Lay out networks and images channels last.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the methods."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Calls that are timed.")] = 5,
    warmup: Annotated[int, typer.Option(min=0, help="Calls before them.")] = 1,
    workers: Annotated[
        int,
        typer.Option(min=-1, help="Processes that load training data; -1: as many as train takes."),
    ] = -1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and images.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also a JSON file.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Such a file of an earlier time, to compare with.")
    ] = None,
    device: words.Device = "auto",
    precision: words.Precision = "auto",
    json: words.Json = False,
) -> None:
    """Measure how fast methods and networks train and infer on this machine.

    Weights are fresh and images made up. Prints images a second of a step of each training phase,
    the share of waiting for data, megapixels a second of inference, and peak memory; with --against
    how many times faster it has become. What cannot run at this size is a row with the reason.
    """
    from histokit.config.files import parse_set
    from histokit.run.bench import Benched, BenchOptions
    from histokit.run.bench import bench as run_bench

    options = BenchOptions(
        refs=refs or (),
        size=size,
        batch=batch,
        train=train,
        compiled=compiled,
        channels_last=channels_last,
        repeats=repeats,
        warmup=warmup,
        workers=workers,
        seed=seed,
        out=out,
        against=against,
        device=device,
        precision=precision,
        settings=parse_set(set_ or ()),
    )
    for event in shown(run_bench(options)):
        if isinstance(event, Benched):
            _tell(event, json=json)


def _tell(found: Benched, *, json: bool) -> None:
    if json:
        console.result_json(found.as_dict())
        return
    about = found.about
    console.result(
        f"{about['device']}; {about['threads']} threads, {about['workers']} loading processes; "
        f"windows of {about['batch']} x {about['size']} px; "
        f"{about['repeats']} calls after {about['warmup']}; memory: {about['memory']}"
    )
    columns = ["what", "task", "px", "images/s", "MP/s", "waiting", "median ms", "quartiles"]
    columns += ["peak MiB"]
    if found.against is not None:
        columns += ["times faster", "times memory"]
    console.table([_row(found, row) for row in found.rows], columns)
    _tell_reasons([row for row in found.rows if row.reason])


def _row(found: Benched, row: Speed) -> list[Any]:
    cells = [
        row.subject,
        f"{row.task}, compiled" if row.compiled else row.task or None,
        row.side,
        scaled(row.images_per_s),
        scaled(row.megapixels_per_s),
        None if row.waited is None else f"{row.waited:.1%}",
        "cannot run" if row.reason else scaled(row.median_ms),
        quartiles(row.lower_ms, row.upper_ms),
        scaled(row.memory_bytes, 2**20),
    ]
    if found.against is not None:
        ratio = found.against.of(row.subject, row.task, row.compiled)
        cells += [scaled(ratio.speed), scaled(ratio.memory)] if ratio else [None, None]
    return cells


def _tell_reasons(refused: list[Speed]) -> None:
    if refused:
        console.result("")
        console.table([[r.subject, r.task or None, r.reason] for r in refused], ["what", "", "why"])
