"""`histokit methods`: which methods are installed, what they can be told, whom to cite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command, Group

if TYPE_CHECKING:
    from histokit.interfaces.spec import MethodSpec
    from histokit.registry import Entry

app = typer.Typer(
    cls=Group,
    help="List, describe and cite methods.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="METHOD", autocompletion=completion.methods)]


@app.command("list", cls=Command)
def list_(json: Json = False) -> None:
    """Installed methods, sound and broken."""
    from histokit.registry import list_methods

    entries = list_methods()
    if json:
        console.result_json([_entry_json(entry) for entry in entries])
        return
    if not entries:
        console.say("no method is installed\n  try: pip install histokit-mani")
        return
    rows = [_row(entry) for entry in entries]
    broken = [number for number, entry in enumerate(entries) if entry.status == "broken"]
    columns = ["method", "roles", "what it does", "from", "status"]
    console.table(rows, columns, dimmed=broken)


def _row(entry: Entry) -> list[str | None]:
    offer = entry.offer
    roles = ", ".join(entry.card.roles) if entry.card else None
    summary = entry.card.summary if entry.card else None
    status = f"{entry.status}: {entry.reason}" if entry.reason else entry.status
    return [entry.typed, roles, summary, f"{offer.distribution} {offer.version}", status]


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.typed,
        "roles": list(entry.card.roles) if entry.card else [],
        "summary": entry.card.summary if entry.card else "",
        "distribution": entry.offer.distribution,
        "version": entry.offer.version,
        "status": entry.status,
        "reason": entry.reason,
    }


@app.command(cls=Command)
def info(name: Name, json: Json = False) -> None:
    """Settings, presets, reference and access of a method."""
    from histokit.registry import find_method

    spec = find_method(name)
    if json:
        console.result_json(_spec_json(spec))
        return
    console.result(f"{spec.name} ({', '.join(spec.roles)}): {spec.summary}")
    console.result(f"reads while it trains: {spec.access.value}")
    console.result(f"licence: {spec.licence}; interfaces: {spec.api}; class: {spec.factory}")
    console.result("\nSettings")
    rows = [[s["name"], s["type"], s["default"], s["bounds"], s["help"]] for s in _settings(spec)]
    console.table(rows, ["setting", "type", "default", "bounds", "help"])
    if spec.presets:
        console.result("\nPresets")
        console.table(
            [[p, spec.presets[p].summary, _overrides(spec, p)] for p in spec.presets],
            ["preset", "what it is", "settings"],
        )
    console.result(f"\nReference\n{spec.reference or 'none: a plain baseline'}")


def _settings(spec: MethodSpec) -> list[dict[str, Any]]:
    from histokit.config.options import describe

    return [
        {
            "name": setting.name,
            "type": setting.type,
            "default": setting.shown_default,
            "bounds": setting.bounds,
            "help": setting.help,
        }
        for setting in describe(spec.config)
    ]


def _overrides(spec: MethodSpec, preset: str) -> str:
    from histokit.config.options import show

    values = spec.presets[preset].overrides
    return ", ".join(f"{key}={show(value)}" for key, value in values.items()) or "the defaults"


def _spec_json(spec: MethodSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "roles": list(spec.roles),
        "summary": spec.summary,
        "access": spec.access.value,
        "licence": spec.licence,
        "api": spec.api,
        "factory": spec.factory,
        "settings": _settings(spec),
        "presets": {
            name: {"summary": preset.summary, "overrides": dict(preset.overrides)}
            for name, preset in spec.presets.items()
        },
        "reference": spec.reference,
    }


@app.command(cls=Command)
def cite(name: Name, json: Json = False) -> None:
    """BibTeX of the paper behind a method."""
    from histokit.registry import find_method

    spec = find_method(name)
    if json:
        console.result_json({"name": spec.name, "bibtex": spec.reference})
    elif spec.reference:
        console.result(spec.reference)
    else:
        console.say(f"{spec.name} is a plain baseline: there is no paper to cite")
