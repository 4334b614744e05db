"""`histokit rerun FILE|RUN`: makes it once more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def rerun(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|RUN",
            help="A run folder, or what predict, translate or eval wrote.",
            autocompletion=completion.runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder of the new outputs, or of the new run folder; by default beside the old.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the command and stop.", show_default=False)
    ] = False,
) -> None:
    """Run the command that made something once more, and say whether the outputs are the same.

    A run is trained from its stored settings into a new run folder. Of other outputs the recorded
    command is run, with the weights it took then and into a new folder; nothing is overwritten.
    """
    from histokit.run.again import again, compare

    found = again(path, out)
    if dry_run:
        console.result(found.line)
        return
    console.say(found.line)
    words = [sys.executable, "-m", "histokit", *console.as_typed(), *found.words]
    done = subprocess.run(words, cwd=found.folder, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    told = compare(found)
    if told:
        console.say(told)
