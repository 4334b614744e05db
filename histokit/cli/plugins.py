"""`histokit plugins`: who offers what, and which metadata or plugin is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import console
from histokit.cli.lazy import Command, Group

if TYPE_CHECKING:
    from histokit.registry import Entry, Offer

app = typer.Typer(
    cls=Group,
    help="Show what the installed plugins offer.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]


@app.command("list", cls=Command)
def list_(json: Json = False) -> None:
    """Every offer found in the installed metadata; imports no plugin."""
    from histokit.registry import scan

    found = scan()
    broken = [
        {"distribution": b.distribution, "path": b.path, "reason": b.reason} for b in found.broken
    ]
    if json:
        console.result_json({"offers": [_offer(o) for o in found.offers], "broken": broken})
        return
    console.table(
        [[kind(o), o.name, f"{o.distribution} {o.version}", o.object] for o in found.offers],
        ["kind", "name", "from", "card"],
    )
    for culprit in broken:
        console.say(
            f"warning: metadata of {culprit['distribution']} is malformed\n"
            f"  found: {culprit['path']}, {culprit['reason']}\n"
            f"  try: pip install --force-reinstall {culprit['distribution']}"
        )


@app.command(cls=Command)
def show(
    distribution: Annotated[str, typer.Argument(metavar="DISTRIBUTION", autocompletion=None)],
    json: Json = False,
) -> None:
    """What one distribution offers, with its cards imported and checked."""
    entries = _of(distribution)
    if json:
        console.result_json([_entry(entry) for entry in entries])
        return
    rows = [[kind(e.offer), e.typed, _summary(e), e.status, e.reason or None] for e in entries]
    broken = [number for number, entry in enumerate(entries) if entry.status == "broken"]
    console.table(rows, ["kind", "name", "what it is", "status", "reason"], dimmed=broken)


def _of(distribution: str) -> list[Entry]:
    from histokit.errors import UnknownName
    from histokit.registry import list_datasets, list_methods, list_networks
    from histokit.registry.discovery import normalise

    everything = [*list_methods(), *list_datasets(), *list_networks()]
    wanted = normalise(distribution)
    entries = [entry for entry in everything if entry.offer.distribution == wanted]
    if not entries:
        raise UnknownName("plugin", distribution, {e.offer.distribution for e in everything})
    return entries


def kind(offer: Offer) -> str:
    """``method``, ``dataset`` or ``network``."""
    return offer.group.removeprefix("histokit.").removesuffix("s")


def _summary(entry: Entry) -> str | None:
    return entry.card.summary if entry.card else None


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "kind": kind(offer),
        "name": offer.name,
        "distribution": offer.distribution,
        "version": offer.version,
        "card": offer.object,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    more = {"status": entry.status, "reason": entry.reason, "summary": _summary(entry) or ""}
    return {**_offer(entry.offer), **more}
