"""`histokit schema`: what the machine-readable outputs look like, as JSON Schemas."""

from __future__ import annotations

import json as json_
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from histokit.cli import console
from histokit.cli.lazy import Command, Group
from histokit.errors import UnknownName

FOLDER = Path(__file__).parents[1] / "schemas"
SHARED = "common"
"""What others refer to; no output of its own."""
CONFIG = "config:"
"""Before the name of a method: its settings and the run's, as ``train --config`` reads them."""
_ID = re.compile(r"urn:histokit:schema:([a-z-]+):\d+")

app = typer.Typer(
    cls=Group,
    help="List and show the JSON Schemas of what commands print and write.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def complete(incomplete: str) -> list[tuple[str, str]]:
    """Completes names of schemas."""
    return [(name, read(name)["title"]) for name in names() if name.startswith(incomplete)]


@app.command("list", cls=Command)
def list_(
    json: Annotated[
        bool, typer.Option("--json", help="The result as JSON.", show_default=False)
    ] = False,
) -> None:
    """Every schema, its version and what it describes."""
    rows: list[dict[str, Any]] = [
        {"name": name, "version": version(schema), "describes": schema["title"]}
        for name, schema in ((name, read(name)) for name in names())
    ]
    about = "a file of settings for histokit train METHOD --config FILE"
    rows.append({"name": f"{CONFIG}METHOD", "version": 1, "describes": about})
    if json:
        console.result_json(rows)
    else:
        console.table(
            [list(row.values()) for row in rows], ["name", "version", "what it describes"]
        )


@app.command(cls=Command)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=complete)],
) -> None:
    """A schema (JSON Schema, draft 2020-12), whole in itself.

    Within a version, fields may be added; none is taken away, renamed or given another type.
    """
    schema = of_settings(name.removeprefix(CONFIG)) if name.startswith(CONFIG) else bundled(name)
    console.result(json_.dumps(schema, indent=2, ensure_ascii=False))


def names() -> list[str]:
    """The names of all outputs that have a schema."""
    return sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != SHARED)


def version(schema: dict[str, Any]) -> int:
    """The version that a schema says."""
    return int(schema["$id"].rpartition(":")[2])


def read(name: str) -> dict[str, Any]:
    """A schema as it is shipped, referring to others. Raises UnknownName."""
    if name not in {*names(), SHARED}:
        raise UnknownName("schema", name, names())
    schema: dict[str, Any] = json_.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def bundled(name: str) -> dict[str, Any]:
    """A schema with every schema that it refers to among its ``$defs``. Raises UnknownName."""
    schema = read(name)
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        for other in _referred(waiting.pop()):
            if other not in {name, *found}:
                found[other] = read(other)
                waiting.append(found[other])
    return {**schema, "$defs": {**schema.get("$defs", {}), **found}} if found else schema


def _referred(schema: Any) -> Iterator[str]:
    """The names of the schemas that one refers to."""
    if isinstance(schema, dict):
        target = _ID.match(schema["$ref"]) if isinstance(schema.get("$ref"), str) else None
        if target is not None:
            yield target[1]
        for part in schema.values():
            yield from _referred(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _referred(part)


def of_settings(method: str) -> dict[str, Any]:
    """The schema of a YAML file of settings for a method. Raises UnknownName."""
    from histokit.config.run import RunConfig
    from histokit.registry import find_method

    spec = find_method(method)
    parts = [model.model_json_schema() for model in (spec.config, RunConfig)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:histokit:schema:config:{spec.name}:1",
        "title": f"settings for histokit train {spec.name} --config FILE",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: item for part in parts for name, item in part["properties"].items()},
        "$defs": {name: item for part in parts for name, item in part.get("$defs", {}).items()},
    }
