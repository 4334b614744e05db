"""`histokit eval METHOD|RUN --target DATASET`: scores and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from histokit.cli import console
from histokit.cli import evaluate_options as words
from histokit.cli import translation_words as more
from histokit.cli.evaluate_extras import extras_json, tell_extras
from histokit.cli.evaluate_robustness import robustness_json, tell_robustness
from histokit.cli.events import shown
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.report.data import PaperTable
    from histokit.run.events import Evaluated

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("eval", cls=Command)
def eval_(
    ref: words.Ref = "",
    target: words.Target = "",
    part: words.PartOf = "test",
    predictions: words.Predictions = None,
    format: words.Format = "auto",
    paper: words.Paper = None,
    out: words.Out = None,
    run: words.Run = None,
    runs: words.Runs = Path("runs"),
    data_root: words.DataRoot = None,
    split: words.Split = "0.8,0.1,0.1",
    split_seed: words.SplitSeed = 0,
    empty: words.Empty = "skip",
    tails: words.Tails = None,
    perturb: words.Perturb = "",
    levels: words.Levels = 5,
    perturb_seed: words.PerturbSeed = 0,
    window: words.Window = None,
    overlap: words.Overlap = None,
    batch: words.Batch = 1,
    device: words.Device = "auto",
    precision: words.Precision = "auto",
    norm: more.Norm = "image",
    set_: more.Set = None,
    nuclei: more.Nuclei = "",
    stains: more.Stains = True,
    inception: more.Inception = None,
    encoder: more.Encoder = "",
    resnet: more.Resnet = None,
    download: more.Download = False,
    json: words.Json = False,
) -> None:
    """Score a trained method, or the predictions of any tool, on a labelled data set.

    Prints the mean of each metric with its bootstrap 95 % interval; writes per_image.csv and
    index.html. A translator is scored on a data set of pairs: likeness, biology, and distances
    of the two sets of images. With --perturb a segmenter is scored again on the images as worse
    stains, focus, files and lamps would give them.
    """
    from histokit.run.evaluate import evaluate
    from histokit.run.evaluation.typed import typed_options
    from histokit.run.events import Evaluated

    typed = {
        "target": target,
        "part": part,
        "predictions": predictions,
        "format": format,
        "paper": paper,
        "out": out,
        "run": run,
        "runs": runs,
        "data_root": data_root,
        "split": split,
        "split_seed": split_seed,
        "empty": empty,
        "tails": tails,
        "perturb": perturb,
        "levels": levels,
        "perturb_seed": perturb_seed,
        "window": window,
        "overlap": overlap,
        "batch": batch,
        "device": device,
        "precision": precision,
        "norm": norm,
        "set": more.settings_of(set_),
        "nuclei": nuclei,
        "stains": stains,
        "inception": inception,
        "encoder": encoder,
        "resnet": resnet,
        "download": download,
    }
    for event in shown(evaluate(typed_options(ref, typed))):
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
    if event.report.paper is not None:
        _tell_paper(event.report.paper)
    tell_extras(event.report)
    if event.report.robustness is not None:
        tell_robustness(event.report.robustness)
    console.result(f"report: {event.page}")


def _tell_paper(table: PaperTable) -> None:
    """The paper's values beside ours, and then each formula once."""
    console.result(f"\nby the formulas of {table.name}, beside ours")
    rows = [[r.metric, number(r.paper), number(r.ours), r.n] for r in table.rows]
    console.table(rows, ["metric", table.name, "histokit", "n"])
    formulas: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        formulas.setdefault((row.formula, row.our_formula), []).append(row.metric)
    for (theirs, ours), metrics in formulas.items():
        console.result(f"{', '.join(metrics)}\n  {table.name}: {theirs}\n  histokit: {ours}")
    if table.note:
        console.result(f"not here: {table.note}")
    console.result("")


def as_json(event: Evaluated) -> dict[str, Any]:
    """An evaluation as the machine-readable result."""
    paper = event.report.paper
    return {
        "method": event.method,
        "target": event.target,
        "part": event.part,
        "report": event.page,
        "images": event.total,
        "failed": event.failed,
        "notes": list(event.report.notes),
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
        "paper": None if paper is None else asdict(paper),
        **extras_json(event.report),
        "robustness": robustness_json(event.report.robustness),
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
