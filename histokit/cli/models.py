"""`histokit models`: trained models on this machine, and handing them on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command, Group

COLUMNS = ("model", "method", "preset", "settings", "target", "mpp", "licence", "commercial")

app = typer.Typer(
    cls=Group,
    help="List, export and import trained models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]
Runs = Annotated[Path, typer.Option(help="Where run folders are.")]
Models = Annotated[Path, typer.Option(help="Where imported models are.")]


@app.command("list", cls=Command)
def list_(
    runs: Runs = Path("runs"),
    models: Models = Path("models"),
    commercial: Annotated[
        bool,
        typer.Option("--commercial", help="Only those whose licences all allow commercial use."),
    ] = False,
    json: Json = False,
) -> None:
    """Trained models: of runs, of presets, and imported ones.

    The licence is that of the data they were trained on; commercial is read from its words and
    those of the code's licence, and is no legal advice.
    """
    from histokit.run.exchange import list_models

    found = [m for m in list_models(runs, models) if not commercial or m.commercial == "yes"]
    if json:
        console.result_json([model.as_dict() for model in found])
        return
    if not found:
        console.say(f"no models in {runs} and {models}\n  try: histokit train METHOD …")
        return
    rows = [[getattr(m, column) or None for column in COLUMNS] for m in found]
    for row, model in zip(rows, found, strict=True):
        row[COLUMNS.index("licence")] = model.problem or model.licence or None
    dimmed = [number for number, model in enumerate(found) if model.problem]
    console.table(rows, COLUMNS, dimmed=dimmed)


@app.command(cls=Command)
def export(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|RUN",
            help="A method, METHOD:PRESET, run folder or weights file.",
            autocompletion=completion.runs_or_methods,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="FILE.zip or a folder; by default METHOD-PRESET-SETTINGS.zip."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Run folder or weights file to take.", autocompletion=completion.runs),
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write a trained model as one file: weights, card and fingerprint.

    The weights are tried out before: they must give what they gave when they were kept.
    """
    from histokit.run.exchange import export_model

    path = export_model(ref, out, runs=runs, run=run)
    _tell(path, json)


@app.command("import", cls=Command)
def import_(
    bundle: Annotated[
        Path, typer.Argument(metavar="FILE", help="What models export wrote, or a weights file.")
    ],
    models: Models = Path("models"),
    name: Annotated[
        str, typer.Option(help="Of the model; by default that of the file.", show_default=False)
    ] = "",
    json: Json = False,
) -> None:
    """Take in a model that somebody exported. Exit code 7 where it behaves differently here.

    Nothing in it is executed: it is refused where it is damaged, holds anything else, says another
    thing of itself than its weights do, or names places outside of its folder.
    """
    from histokit.run.exchange import import_model

    path = import_model(bundle, models, name=name)
    _tell(path, json)
    console.say(f"  next: histokit predict {path} IMAGE")


def _tell(path: Path, json: bool) -> None:
    if json:
        console.result_json({"out": path, "bytes": path.stat().st_size})
    else:
        console.result(str(path))
