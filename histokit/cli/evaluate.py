"""`histokit eval METHOD|RUN --target DATASET`: scores and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from histokit.cli import completion, console
from histokit.cli.events import shown
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.events import Evaluated

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("eval", cls=Command)
def evaluate(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|RUN",
            help="A method, METHOD:PRESET, run folder or weights file.",
            autocompletion=completion.runs_or_methods,
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            help="Data set to score on, name[@variant][:path]; by default the run's target.",
            autocompletion=completion.datasets,
        ),
    ] = "",
    part: Annotated[
        Literal["test", "val", "train", "all"], typer.Option(help="Which images of its split.")
    ] = "test",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Report folder; by default in the run.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Run folder or weights file to take; by default the newest finished run.",
            autocompletion=completion.runs,
        ),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are.")] = Path("runs"),
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds data sets.")] = None,
    split: Annotated[
        str, typer.Option(help="Shares of train, val and test, where no run fixed a split.")
    ] = "0.8,0.1,0.1",
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of such a split.")] = 0,
    empty: Annotated[
        Literal["skip", "one", "zero"],
        typer.Option(help="What images count that are empty in truth and prediction."),
    ] = "skip",
    window: Annotated[int, typer.Option(min=16, help="Side of a window in pixels.")] = 512,
    overlap: Annotated[int, typer.Option(min=0, help="Overlap of windows in pixels.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Windows through the network at once.")] = 1,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    precision: Annotated[
        Literal["auto", "32", "bf16"], typer.Option(help="Number format.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Score a trained method on a labelled data set and write a report.

    Prints the mean of each metric with its bootstrap 95 % interval; writes per_image.csv and
    index.html.
    """
    from histokit.config.resolve import Layer, resolve
    from histokit.config.run import RunConfig
    from histokit.run.evaluate import EvalOptions
    from histokit.run.evaluate import evaluate as run_evaluate
    from histokit.run.events import Evaluated
    from histokit.run.infer import Windows

    shares = resolve(RunConfig, [Layer("option", {"split": split})]).config.split
    options = EvalOptions(
        ref=ref,
        target=target,
        part=part,
        out=out,
        run=run,
        runs=runs,
        data_root=data_root,
        split=shares,
        split_seed=split_seed,
        empty=empty,
        windows=Windows(window, overlap, batch),
        device=device,
        precision=precision,
    )
    for event in shown(run_evaluate(options)):
        if isinstance(event, Evaluated):
            _tell(event, json=json)


def _tell(event: Evaluated, *, json: bool) -> None:
    if json:
        console.result_json(as_json(event))
        return
    rows = [
        [s.metric, number(s.mean), interval(s.low, s.high), s.n, s.n_skipped, s.n_failed]
        for s in event.summaries
    ]
    console.result(f"{event.method} on {event.target}, {event.part} images")
    console.table(rows, ["metric", "mean", "95 % interval", "n", "skipped", "failed"])
    console.result(f"report: {event.page}")


def as_json(event: Evaluated) -> dict[str, Any]:
    """An evaluation as the machine-readable result."""
    return {
        "method": event.method,
        "target": event.target,
        "part": event.part,
        "report": event.page,
        "images": event.total,
        "failed": event.failed,
        "metrics": [
            {
                "metric": s.metric,
                "variant": s.variant,
                "direction": s.direction,
                "unit": s.unit,
                "mean": s.mean,
                "low": s.low,
                "high": s.high,
                "n": s.n,
                "n_skipped": s.n_skipped,
                "n_failed": s.n_failed,
                "n_groups": s.n_groups,
            }
            for s in event.summaries
        ],
    }


def number(value: float | None) -> str | None:
    """A score with three decimals."""
    return None if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str | None:
    """An interval, or None where there is none."""
    return None if low is None or high is None else f"{low:.3f} to {high:.3f}"


def comparison_table(evaluations: Sequence[Evaluated], metrics: Sequence[str]) -> None:
    """One row a method, one column a metric with its interval."""
    rows = []
    for event in evaluations:
        by_name = {s.metric: s for s in event.summaries}
        cells = [by_name[name] for name in metrics]
        shown_ = [
            f"{number(s.mean)} ({interval(s.low, s.high)})" if s.mean is not None else None
            for s in cells
        ]
        rows.append([event.method, *shown_, cells[0].n])
    console.table(rows, ["method", *metrics, "images"])
