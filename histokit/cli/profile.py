"""`histokit profile METHOD|NETWORK…`: what they cost in operations, time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from histokit.cli import completion, console
from histokit.cli import evaluate_options as words
from histokit.cli.events import shown
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.profile import Profiled

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def names(incomplete: str) -> list[tuple[str, str]]:
    """Completes names of installed methods and networks."""
    return [*completion.methods(incomplete), *completion.networks(incomplete)]


@app.command("profile", cls=Command)
def profile(
    refs: Annotated[
        list[str],
        typer.Argument(
            metavar="METHOD[:PRESET]|NETWORK",
            help="Methods and networks; network:NAME where a method has the name, too.",
            autocompletion=names,
        ),
    ],
    size: Annotated[int, typer.Option(min=1, help="Side of a window in pixels.")] = 256,
    batch: words.Batch = 1,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Measure a step of each phase, too.")
    ] = True,
    repeats: Annotated[int, typer.Option(min=1, help="Calls that are timed.")] = 10,
    warmup: Annotated[int, typer.Option(min=0, help="Calls before them.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and images.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also a CSV file.")] = None,
    device: words.Device = "auto",
    precision: words.Precision = "auto",
    json: words.Json = False,
) -> None:
    """Measure what methods and networks cost, all under the same conditions.

    Weights are fresh and images made up. Prints parameters, floating-point operations, the median
    time of inference and of a step of each training phase with its quartiles, and peak memory.
    """
    from histokit.run.profile import Profiled, ProfileOptions
    from histokit.run.profile import profile as run_profile

    options = ProfileOptions(
        refs=refs,
        size=size,
        batch=batch,
        train=train,
        warmup=warmup,
        repeats=repeats,
        seed=seed,
        out=out,
        device=device,
        precision=precision,
    )
    for event in shown(run_profile(options)):
        if isinstance(event, Profiled):
            _tell(event, json=json)


def _tell(found: Profiled, *, json: bool) -> None:
    if json:
        console.result_json(found.as_dict())
        return
    rows = [
        [
            cost.subject,
            cost.task,
            f"{cost.batch} x {cost.side}",
            scaled(cost.parameters, 1e6),
            scaled(cost.flops, 1e9),
            scaled(cost.median_ms),
            quartiles(cost.lower_ms, cost.upper_ms),
            scaled(cost.windows_per_s),
            scaled(cost.memory_bytes, 2**20),
        ]
        for cost in found.costs
    ]
    columns = [
        "what",
        "task",
        "windows",
        "M parameters",
        "GFLOP",
        "median ms",
        "quartiles",
        "windows/s",
        "peak MiB",
    ]
    how = found.options
    console.result(
        f"{found.device}; {how.repeats} calls after {how.warmup}; memory: {found.memory}"
    )
    console.table(rows, columns)


def scaled(value: float | None, unit: float = 1.0) -> str | None:
    """A measure in a unit, with four digits."""
    return None if value is None else f"{value / unit:.4g}"


def quartiles(lower: float | None, upper: float | None) -> str | None:
    """Two quartiles, or None where there are none."""
    return None if lower is None or upper is None else f"{lower:.4g} to {upper:.4g}"
