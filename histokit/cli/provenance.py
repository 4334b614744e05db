"""`histokit provenance FILE|RUN`: which command, weights and versions made it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.run.origin import Origin

LONG = ("probe", "settings", "libraries", "plugins", "data_licences", "classes", "command")
"""What JSON shows in full and the table leaves out, or says in a line of its own."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command)
def provenance(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|RUN",
            help="Anything histokit wrote, or a run folder.",
            autocompletion=completion.runs,
        ),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="The result as JSON.", show_default=False)
    ] = False,
) -> None:
    """Show where a file comes from: the run, command, weights and versions that made it.

    Reads what the file says of itself (weights, TIFF, PNG, GeoJSON, HDF5, JSON) and the record of
    the folder or run that it lies in.
    """
    from histokit.run.origin import origin_of

    found = origin_of(path)
    if json:
        console.result_json(found.as_dict())
        return
    _tell(found)


def _tell(found: Origin) -> None:
    rows = [["file", str(found.path)], ["sha256", found.sha256]]
    rows += [["run", str(found.run or "")], ["command", shlex.join(found.command)]]
    rows += [[f"in the file: {name}", text] for name, text in flat(found.embedded)]
    rows += [[name, text] for name, text in flat(found.recorded)]
    plugins = found.recorded.get("plugins")
    if isinstance(plugins, Mapping):
        rows += [["plugins", ", ".join(f"{name} {v}" for name, v in plugins.items())]]
    rows += [["record", str(found.record or "")]]
    console.table([row for row in rows if row[1]], ["what", "is"])
    for note in found.notes:
        console.say(f"warning: {note}")


def flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The short values of a record, those of inner ones by ``outer.inner``."""
    for name, value in record.items():
        if isinstance(value, Mapping) and name not in LONG:
            yield from flat(value, f"{before}{name}.")
        elif name not in LONG and value not in (None, "", [], {}):
            yield f"{before}{name}", str(value)
