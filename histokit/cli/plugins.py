"""`histokit plugins`: who offers what, in which state; and a new one from a template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from histokit.cli import console
from histokit.cli.lazy import Command, Group

if TYPE_CHECKING:
    from histokit.registry import Entry, Offer

CORE = "histokit-core"
STDERR = 2
"""What pip says is no result."""

app = typer.Typer(
    cls=Group,
    help="List, check, make and switch off plugins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="The result as JSON.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="PLUGIN", show_default=False)]


@app.command("list", cls=Command)
def list_(
    cards: Annotated[
        bool, typer.Option("--cards", help="Import the cards: interfaces, licence, soundness.")
    ] = False,
    json: Json = False,
) -> None:
    """Every offer found in the installed metadata; imports no plugin without --cards."""
    from histokit.registry import scan

    found = scan()
    if cards:
        _show_cards(_everything(), found.disabled, json)
        return
    states = {offer: _state(offer, found.offers) for offer in found.offers}
    states |= dict.fromkeys(found.disabled, "disabled")
    offers = sorted(states, key=lambda o: (o.group, o.name, o.distribution))
    broken = [
        {"distribution": b.distribution, "path": b.path, "reason": b.reason} for b in found.broken
    ]
    if json:
        rows = [{**_offer(offer), "status": states[offer]} for offer in offers]
        console.result_json({"offers": rows, "broken": broken})
        return
    console.table(
        [[kind(o), o.name, f"{o.distribution} {o.version}", o.object, states[o]] for o in offers],
        ["kind", "name", "from", "card", "status"],
        dimmed=[number for number, offer in enumerate(offers) if states[offer] == "disabled"],
    )
    for culprit in broken:
        console.say(
            f"warning: metadata of {culprit['distribution']} is malformed\n"
            f"  found: {culprit['path']}, {culprit['reason']}\n"
            f"  try: pip install --force-reinstall {culprit['distribution']}"
        )


def _state(offer: Offer, offers: tuple[Offer, ...]) -> str:
    same = [o for o in offers if (o.group, o.name) == (offer.group, offer.name)]
    return "installed" if len(same) == 1 else f"type {offer.qualified}"


@app.command(cls=Command)
def show(name: Name, json: Json = False) -> None:
    """What a distribution, or a name, offers: its cards imported and checked."""
    from histokit.registry import scan

    entries, disabled = _entries(name), _matching(scan().disabled, name)
    if not entries and not disabled:
        raise _unknown(name)
    _show_cards(entries, disabled, json)


def _show_cards(entries: Sequence[Entry], disabled: Sequence[Offer], json: bool) -> None:
    rows = [_entry(entry) for entry in entries]
    rows += [
        {**_offer(offer), **_NOTHING, "status": "disabled", "reason": _enable(offer)}
        for offer in disabled
    ]
    if json:
        console.result_json(rows)
        return
    columns = ["kind", "name", "version", "summary", "api", "licence", "status", "reason"]
    dimmed = [number for number, row in enumerate(rows) if row["status"] != "ok"]
    console.table([[row[c] or None for c in columns] for row in rows], columns, dimmed=dimmed)


_NOTHING = {"status": "", "reason": "", "summary": "", "api": "", "licence": ""}


def _entry(entry: Entry) -> dict[str, Any]:
    told = {"status": entry.status, "reason": entry.reason}
    if entry.card is not None:
        told |= {"summary": entry.card.summary, "api": entry.card.api}
        told |= {"licence": getattr(entry.card, "licence", "")}
    return {**_offer(entry.offer), "name": entry.typed, **_NOTHING, **told}


@app.command(cls=Command)
def verify(name: Name, json: Json = False) -> None:
    """Run `histokit check` on everything that a plugin offers, but for data sets on disk."""
    from histokit.cli.check import Target, Wishes, results, verdict
    from histokit.errors import PluginError

    entries = _entries(name)
    if not entries:
        raise _unknown(name)
    for entry in entries:
        if entry.card is None:
            raise PluginError(
                f"{kind(entry.offer)} {entry.typed} cannot be used",
                found=entry.reason,
                hint=f"pip install --upgrade {entry.offer.distribution}",
            )
    targets = [
        Target(kind(entry.offer), entry.card)
        for entry in entries
        if not getattr(entry.card, "on_disk", False)
    ]
    verdict(((target, results(target, Wishes())) for target in targets), json=json)


@app.command(cls=Command)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    what: Annotated[
        Literal["segmenter", "translator", "adapter"],
        typer.Option("--kind", help="What the method does.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="New folder; NAME if not given."),
    ] = None,
) -> None:
    """Write a plugin that works, with tests, for you to change. Needs no network."""
    from histokit.testing.scaffold import new_plugin

    written = new_plugin(name, what, out)
    for path in written:
        console.result(str(path))
    folder = next(path.parent for path in written if path.name == "pyproject.toml")
    console.say(f"  next: pip install -e {folder}\n  then: histokit check {name}")


@app.command(cls=Command)
def disable(name: Name) -> None:
    """Switch off a distribution, or one name that it offers, until it is enabled again."""
    from histokit.errors import UsageError
    from histokit.registry import scan
    from histokit.registry.discovery import normalise
    from histokit.registry.switches import switch_off

    found = _matching(scan().offers, name)
    if not found:
        raise _unknown(name)
    owners = {offer.distribution for offer in found}
    whole = normalise(name) in owners
    if whole and CORE in owners:
        raise UsageError(
            f"{CORE} is histokit itself", expected="a plugin, or a single name that it offers"
        )
    path = switch_off({normalise(name)} if whole else {offer.qualified for offer in found})
    _report(path, "disabled", [offer.qualified for offer in found])


@app.command(cls=Command)
def enable(name: Name) -> None:
    """Switch on what was disabled: a distribution, or the one that offers a name."""
    from histokit.registry import scan
    from histokit.registry.discovery import normalise
    from histokit.registry.switches import switch_on, switched_off

    found = _matching(scan().disabled, name)
    words = {word for o in found for word in (o.distribution, o.qualified)}
    words |= {name, normalise(name)} & switched_off()
    if not words:
        raise _unknown(name, "disabled plugin")
    before = set(scan().offers)
    path = switch_on(words)
    _report(path, "enabled", [o.qualified for o in scan().offers if o not in before])


def _report(path: Path, done: str, names: list[str]) -> None:
    for name in names:
        console.result(f"{done} {name}")
    console.say(f"kept in {path}")


@app.command(cls=Command)
def install(
    packages: Annotated[list[str], typer.Argument(metavar="PACKAGE…", show_default=False)],
    upgrade: Annotated[bool, typer.Option("--upgrade", help="To the newest version.")] = False,
) -> None:
    """Install plugins with the pip of the Python that runs histokit."""
    import subprocess
    import sys

    from histokit.errors import PluginError
    from histokit.registry import scan
    from histokit.registry.discovery import forget

    before = set(scan().offers)
    words = [sys.executable, "-m", "pip", "install", *(["--upgrade"] if upgrade else []), *packages]
    done = subprocess.run(words, stdout=STDERR, check=False)
    if done.returncode:
        raise PluginError(
            f"pip did not install {', '.join(packages)}",
            found=f"exit code {done.returncode}; see above",
            hint=" ".join(words),
        )
    forget()
    for offer in sorted(set(scan().offers) - before, key=lambda o: o.qualified):
        console.result(f"{kind(offer)} {offer.name}  {offer.distribution} {offer.version}")


def _entries(name: str) -> list[Entry]:
    everything = _everything()
    wanted = set(_matching([entry.offer for entry in everything], name))
    return [entry for entry in everything if entry.offer in wanted]


def _everything() -> list[Entry]:
    from histokit.registry import list_datasets, list_methods, list_networks

    return [*list_methods(), *list_datasets(), *list_networks()]


def _matching(offers: Iterable[Offer], name: str) -> list[Offer]:
    """The offers of a distribution, or those that bear a name."""
    from histokit.registry.discovery import normalise

    offers = list(offers)
    of_distribution = [o for o in offers if o.distribution == normalise(name)]
    return of_distribution or [o for o in offers if name in (o.name, o.qualified)]


def _unknown(name: str, what: str = "plugin") -> Exception:
    from histokit.errors import UnknownName
    from histokit.registry import scan

    found = scan()
    offers = found.disabled if what != "plugin" else (*found.offers, *found.disabled)
    return UnknownName(what, name, {o.distribution for o in offers} | {o.name for o in offers})


def kind(offer: Offer) -> str:
    """``method``, ``dataset`` or ``network``."""
    return offer.group.removeprefix("histokit.").removesuffix("s")


def _enable(offer: Offer) -> str:
    return f"histokit plugins enable {offer.qualified}"


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "kind": kind(offer),
        "name": offer.name,
        "distribution": offer.distribution,
        "version": offer.version,
        "card": offer.object,
    }
