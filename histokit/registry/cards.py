"""From a name to a checked card: what methods, data sets and networks have in common."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

from histokit import API_VERSION
from histokit.errors import AmbiguousName, PluginError, UnknownName
from histokit.registry.discovery import Broken, Offer, Scan, scan

CORE = "histokit-core"


@dataclass(frozen=True)
class Kind:
    """One entry-point group and what its cards are.

    Attributes:
        group: the entry-point group.
        word: what a card of it describes, such as ``method``.
        card: the class of its cards.
        published: names that are known to exist, with the distribution that offers each.
    """

    group: str
    word: str
    card: type[Any]
    published: Mapping[str, str]

    def __hash__(self) -> int:
        return hash(self.group)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list of plugins.

    Attributes:
        offer: who offers what.
        status: ``ok``, or ``broken`` where it cannot be used.
        reason: why it is broken; of a sound one, what else to know, or empty.
        card: the card itself; None where it is broken.
        typed: the word to type for it: its name, or ``distribution:name`` where two offer one.
    """

    offer: Offer
    status: Literal["ok", "broken"]
    reason: str = ""
    card: Any = None
    typed: str = ""


def find(kind: Kind, name: str) -> Any:
    """The card called `name`, or ``distribution:name``.

    Raises UnknownName, AmbiguousName where two distributions offer it, and PluginError where the
    plugin is broken, switched off, not made for this version, or published but not installed.
    """
    found = scan()
    offers = found.named(kind.group, name)
    if len(offers) > 1:
        raise _ambiguous(kind, name, offers)
    if offers:
        return load_card(kind, offers[0])
    if disabled := found.named_but_disabled(kind.group, name):
        raise _switched_off(kind, disabled[0])
    for broken in found.broken:
        if (broken.group, broken.name) == (kind.group, name):
            raise _lost(kind, broken)
    raise _unknown(kind, name, found)


def entries(kind: Kind) -> list[Entry]:
    """Every offer of the kind, sound or broken; imports the cards and nothing behind them."""
    found = scan()
    listed = [_entry(kind, offer, found) for offer in found.offers if offer.group == kind.group]
    for broken in found.broken:
        if broken.group == kind.group:
            offer = Offer(kind.group, broken.name or "?", "", broken.distribution)
            reason = f"{broken.reason} ({broken.path})"
            listed.append(Entry(offer, "broken", reason, typed=offer.name))
    return sorted(listed, key=lambda entry: (entry.offer.name, entry.offer.distribution))


def _entry(kind: Kind, offer: Offer, found: Scan) -> Entry:
    others = [o.distribution for o in found.named(kind.group, offer.name) if o != offer]
    typed = offer.qualified if others else offer.name
    note = f"{' and '.join(others)} offers it too; type {typed}" if others else ""
    try:
        return Entry(offer, "ok", note, load_card(kind, offer), typed)
    except PluginError as error:
        return Entry(offer, "broken", error.found or error.what, None, typed)


@lru_cache(maxsize=256)
def load_card(kind: Kind, offer: Offer) -> Any:
    """The card behind an offer, imported and checked.

    Whatever the plugin does while it is imported, `SystemExit` included, becomes a PluginError;
    what it prints goes to stderr.
    """
    try:
        with redirect_stdout(sys.stderr):
            card = _imported(offer.object)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _refused(kind, offer, "a card that imports", _told(error)) from error
    if not isinstance(card, kind.card):
        raise _refused(
            kind, offer, f"a {kind.card.__name__}", f"{offer.object} is a {type(card).__name__}"
        )
    if card.name != offer.name:
        found = f"the entry point says {offer.name!r}, the card {card.name!r}"
        raise _refused(kind, offer, "one name", found)
    _check_api(kind, offer, card.api)
    return card


def _imported(place: str) -> Any:
    module, _, attributes = place.partition(":")
    value: Any = import_module(module)
    for attribute in attributes.split("."):
        value = getattr(value, attribute)
    return value


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the program when imported (SystemExit: {error.code})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _refused(kind: Kind, offer: Offer, expected: str, found: str, hint: str = "") -> PluginError:
    return PluginError(
        f"{kind.word} {offer.name!r} of {offer.distribution} {offer.version} cannot be used",
        expected=expected,
        found=found,
        hint=hint or f"pip install --upgrade {offer.distribution}",
    )


def _check_api(kind: Kind, offer: Offer, api: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(api)
    except InvalidSpecifier as error:
        raise _refused(
            kind, offer, "a range of interface versions such as >=1,<2", f"api = {api!r}"
        ) from error
    if wanted.contains(API_VERSION, prereleases=True):
        return
    newer = any(_wants_newer(part.operator, part.version) for part in wanted)
    mend = CORE if newer else offer.distribution
    raise _refused(
        kind,
        offer,
        f"a plugin for interface version {API_VERSION}",
        f"it is made for {api}",
        f"pip install --upgrade {mend}",
    )


def _wants_newer(operator: str, version: str) -> bool:
    from packaging.version import Version

    floor = operator in {">", ">=", "==", "~="}
    return floor and Version(version.removesuffix(".*")) > Version(API_VERSION)


def _ambiguous(kind: Kind, name: str, offers: list[Offer]) -> AmbiguousName:
    return AmbiguousName(
        f"{kind.word} {name!r} is offered by "
        + " and ".join(f"{o.distribution} {o.version}".strip() for o in offers),
        hint="type " + " or ".join(o.qualified for o in offers),
    )


def _switched_off(kind: Kind, offer: Offer) -> PluginError:
    return PluginError(
        f"{kind.word} {offer.name!r} of {offer.distribution} {offer.version} is disabled",
        hint=f"histokit plugins enable {offer.qualified}",
    )


def _lost(kind: Kind, broken: Broken) -> PluginError:
    return PluginError(
        f"{kind.word} {broken.name!r} of {broken.distribution} cannot be used",
        expected="a sound entry_points.txt",
        found=f"{broken.path}, {broken.reason}",
        hint=f"pip install --force-reinstall {broken.distribution}",
    )


def _unknown(kind: Kind, name: str, found: Scan) -> PluginError | UnknownName:
    known = sorted({offer.name for offer in found.offers if offer.group == kind.group})
    if owner := kind.published.get(name):
        return PluginError(f"{kind.word} {name!r} is not installed", hint=f"pip install {owner}")
    missing = sorted(set(kind.published) - set(known))
    near = get_close_matches(name, [*known, *missing], n=1, cutoff=0.5)
    if near and near[0] in missing:
        hint = f"did you mean {near[0]}? pip install {kind.published[near[0]]}"
        return UnknownName(kind.word, name, known, hint=hint)
    return UnknownName(kind.word, name, known)
