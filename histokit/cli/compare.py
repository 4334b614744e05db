"""`histokit compare RUN RUN…`: which run is better, and whether that is more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from histokit.cli import completion, console
from histokit.cli.evaluate import interval, number
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.metrics.table import Empty
    from histokit.report.comparison import Comparison
    from histokit.run.folds import CrossValidation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("compare", cls=Command)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN…",
            help="Run folders, report folders or per_image.csv files.",
            autocompletion=completion.runs,
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(
            help="Score to compare, such as aji or psnr; by default dice, of translators "
            "dab_od_corr."
        ),
    ] = "",
    empty: Annotated[
        Literal["skip", "one", "zero"],
        typer.Option(help="What images count that are empty in truth and prediction."),
    ] = "skip",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Page to write, FILE.html or a folder.")
    ] = None,
    folds: Annotated[
        bool,
        typer.Option(
            "--folds",
            help="The runs are rounds of one cross-validation: pool their images into one table.",
        ),
    ] = False,
    tails: Annotated[
        int | None,
        typer.Option(min=0, help="Images in each tail, worst-off and best-off; 0 for no tails."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Compare runs image by image on the images that all of them scored.

    Prints the mean of each run with the share of the source-only-to-oracle gap it closes, then
    each pair with its difference, bootstrap interval, and Holm-corrected p of a paired
    permutation test and of Wilcoxon's test. Images of one patient count as one.

    With --folds the images of all runs become one table, each image scored by the run that did
    not train on it; -o keeps it as a folder that can be compared in turn.
    """
    if folds:
        _pool(runs, out, empty, tails, json=json)
        return
    from histokit.report.comparison import write_comparison
    from histokit.run.compare import compare as run_compare

    found = run_compare(runs, metric=metric, empty=empty, seed=seed, wanted=tails)
    page = write_comparison(out, found) if out is not None else None
    if json:
        console.result_json(as_json(found, page))
        return
    _tell(found)
    if page is not None:
        console.result(f"page: {page}")


def _pool(
    runs: list[Path], out: Path | None, empty: Empty, tails: int | None, *, json: bool
) -> None:
    """Pools the rounds of a cross-validation and tells the result."""
    from histokit.cli.evaluate_extras import tell_tails
    from histokit.run.folds import pool_folds

    found = pool_folds(runs, out=out, empty=empty, wanted=tails)
    report = found.report
    if json:
        console.result_json(pooled_json(found))
        return
    console.result(f"{found.method}: {report.notes[0]}")
    rows = [
        [s.metric, number(s.mean), interval(s.low, s.high), s.n, s.n_skipped, s.n_failed]
        for s in report.summaries
    ]
    console.table(rows, ["metric", "mean", "95 % interval", "n", "skipped", "failed"])
    if report.tails is not None:
        tell_tails(report.tails)
    for note in report.notes[1:]:
        console.say(note)
    if found.page is not None:
        console.result(f"report: {found.page}")


def pooled_json(found: CrossValidation) -> dict[str, Any]:
    """A pooled cross-validation as the machine-readable result."""
    from histokit.cli.evaluate_extras import tails_json

    report = found.report
    return {
        "method": found.method,
        "rounds": found.folds[0],
        "folds": found.folds[1],
        "images": len(report.rows),
        "metrics": [
            {"metric": s.metric, "mean": s.mean, "low": s.low, "high": s.high, "n": s.n}
            for s in report.summaries
        ],
        "tails": None if report.tails is None else tails_json(report.tails),
        "notes": list(report.notes),
        "page": found.page,
    }


def _tell(found: Comparison) -> None:
    from histokit.metrics.tails import SHOWN
    from histokit.report.comparison import (
        p_value,
        percent,
        signed,
        span,
        tail_lines,
        tail_note,
    )

    name = found.metric.name
    console.table(
        [
            [e.name, number(e.mean), interval(e.low, e.high), percent(e.gap_closed), e.n_failed]
            for e in found.entrants
        ],
        ["run", name, "95 % interval", "gap closed", "failed"],
    )
    console.result("")
    console.table(
        [
            [
                f"{d.second} less {d.first}",
                signed(d.found.difference),
                span(d.found.low, d.found.high),
                p_value(d.p_permutation),
                p_value(d.p_wilcoxon),
            ]
            for d in found.duels
        ],
        ["pair", name, "95 % interval", "permutation p", "Wilcoxon p"],
    )
    if found.tails:
        console.result(f"\n{tail_note(found)}")
        header = [text for name in SHOWN for text in (name, "95 % interval")]
        console.table(tail_lines(found.tails), ["images", "run", *header])
    console.result("")
    for reason, keys in found.left_out.items():
        console.say(f"left out, {reason}: {', '.join(keys)}")
    for note in found.notes:
        console.say(note)
    console.result(found.verdict)


def as_json(found: Comparison, page: Path | None) -> dict[str, Any]:
    """A comparison as the machine-readable result."""
    from histokit.cli.evaluate_extras import tails_json

    return {
        "metric": found.metric.name,
        "direction": found.metric.direction,
        "images": found.n,
        "groups": found.n_units,
        "left_out": found.left_out,
        "runs": [
            {
                "run": e.path,
                "name": e.name,
                "method": e.method,
                "mean": e.mean,
                "low": e.low,
                "high": e.high,
                "gap_closed_percent": e.gap_closed,
                "images": e.n_images,
                "failed": e.n_failed,
            }
            for e in found.entrants
        ],
        "pairs": [
            {
                "first": d.first,
                "second": d.second,
                "difference": d.found.difference,
                "low": d.found.low,
                "high": d.found.high,
                "p_permutation": d.found.p_permutation,
                "p_permutation_holm": d.p_permutation,
                "exact": d.found.exact,
                "p_wilcoxon": d.found.p_wilcoxon,
                "p_wilcoxon_holm": d.p_wilcoxon,
            }
            for d in found.duels
        ],
        "tails": {name: tails_json(one) for name, one in found.tails.items()},
        "verdict": found.verdict,
        "notes": found.notes,
        "page": page,
    }
