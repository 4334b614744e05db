"""Which methods, data sets and networks are installed, found without importing any of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from configparser import Error as ConfigparserError
from dataclasses import dataclass
from functools import lru_cache
from zipfile import BadZipFile

import entrypoints

from histokit.registry.switches import switched_off

METHODS = "histokit.methods"
DATASETS = "histokit.datasets"
NETWORKS = "histokit.networks"
GROUPS = (METHODS, DATASETS, NETWORKS)

_SECTION = re.compile(r"\[([^\]]*)\]$")
_OBJECT = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*$")


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry point: somebody offers a card under a name.

    Attributes:
        group: the entry-point group, one of `GROUPS`.
        name: the word typed on the command line.
        object: where the card lies, ``module:attribute``.
        distribution: the normalised name of the installed distribution, such as ``histokit-mani``.
        version: its version; empty where its metadata does not say.
    """

    group: str
    name: str
    object: str
    distribution: str
    version: str = ""

    @property
    def qualified(self) -> str:
        """``distribution:name``, which is never ambiguous."""
        return f"{self.distribution}:{self.name}"


@dataclass(frozen=True, slots=True)
class Broken:
    """Metadata of an installed distribution that cannot be used as it stands.

    Attributes:
        distribution: the normalised name, or the folder where the name cannot be read.
        path: the file at fault.
        reason: what is wrong with it, with the line.
        group, name: the entry point that is lost by it; empty where none of ours is.
    """

    distribution: str
    path: str
    reason: str
    group: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything found: usable offers, what is broken, and what the user has switched off."""

    offers: tuple[Offer, ...]
    broken: tuple[Broken, ...] = ()
    disabled: tuple[Offer, ...] = ()

    def named(self, group: str, name: str) -> list[Offer]:
        """The offers of `group` that are called `name`, or that ``distribution:name`` picks."""
        return _named(self.offers, group, name)

    def named_but_disabled(self, group: str, name: str) -> list[Offer]:
        """The same among what is switched off."""
        return _named(self.disabled, group, name)


def _named(offers: Iterable[Offer], group: str, name: str) -> list[Offer]:
    ours = [offer for offer in offers if offer.group == group]
    exact = [offer for offer in ours if offer.name == name]
    distribution, colon, rest = name.partition(":")
    if exact or not colon:
        return exact
    return [o for o in ours if o.name == rest and o.distribution == normalise(distribution)]


def normalise(name: str) -> str:
    """A distribution's name in the form that package indexes compare: ``histokit-syndiff-pl``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def scan(path: Iterable[str] | None = None) -> Scan:
    """All offers on `path`, by default ``sys.path``; the same path is read once a process.

    Raises DataError where the file that says what is switched off is damaged.
    """
    folders = sys.path if path is None else path
    found = _scan(tuple(str(folder) or os.getcwd() for folder in folders))
    off = switched_off()
    if not off:
        return found
    disabled = tuple(o for o in found.offers if {o.distribution, o.qualified} & off)
    return Scan(tuple(o for o in found.offers if o not in disabled), found.broken, disabled)


def forget() -> None:
    """Lets the next `scan` read everything anew, as is needed once something was installed."""
    _scan.cache_clear()


@lru_cache(maxsize=8)
def _scan(path: tuple[str, ...]) -> Scan:
    try:
        offers = tuple(_quick(path))
    except (entrypoints.BadEntryPoint, ConfigparserError, BadZipFile, OSError, ValueError):
        return _patient(path)
    return Scan(tuple(sorted(offers, key=_order)))


def _order(offer: Offer) -> tuple[str, str, str]:
    return offer.group, offer.name, offer.distribution


def _quick(path: tuple[str, ...]) -> Iterator[Offer]:
    """Offers in one pass; raises as soon as anybody's metadata is malformed."""
    for parser, owner in entrypoints.iter_files_distros(path=path):
        for group in GROUPS:
            if group not in parser:
                continue
            for name, text in parser[group].items():
                point = entrypoints.EntryPoint.from_string(text, name, owner)
                if not point.object_name:
                    raise entrypoints.BadEntryPoint(text)
                place = f"{point.module_name}:{point.object_name}"
                distribution = normalise(owner.name)
                version = owner.version or _version(distribution)
                yield Offer(group, name, place, distribution, version)


def _version(distribution: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _patient(path: tuple[str, ...]) -> Scan:
    """Offers distribution by distribution, so that one culprit costs only its own lines."""
    from importlib import metadata

    offers: list[Offer] = []
    broken: list[Broken] = []
    seen: set[str] = set()
    for found in metadata.distributions(path=list(path)):
        place = str(getattr(found, "_path", "")) or "(metadata without a folder)"
        name = normalise(found.metadata["Name"] or _folder_name(place))
        if name in seen:
            continue
        seen.add(name)
        file = os.path.join(place, "entry_points.txt")
        try:
            text = found.read_text("entry_points.txt") or ""
        except (OSError, UnicodeDecodeError) as error:
            broken.append(Broken(name, file, f"cannot be read: {error}"))
            continue
        reader = _Reader(name, found.metadata["Version"] or "", file)
        reader.read(text)
        offers += reader.offers
        broken += reader.broken
    return Scan(tuple(sorted(offers, key=_order)), tuple(broken))


def _folder_name(place: str) -> str:
    return os.path.basename(place).split("-")[0] or place


class _Reader:
    """Reads one ``entry_points.txt`` line by line and keeps what is sound."""

    def __init__(self, distribution: str, version: str, file: str) -> None:
        self.distribution, self.version, self.file = distribution, version, file
        self.offers: list[Offer] = []
        self.broken: list[Broken] = []

    def read(self, text: str) -> None:
        group = ""
        seen: set[tuple[str, str]] = set()
        for number, raw in enumerate(text.splitlines(), start=1):
            line = raw.strip()
            if not line or line[0] in "#;":
                continue
            if header := _SECTION.match(line):
                group = header[1].strip()
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            reason = _fault(group, name, equals, value, (group, name) in seen)
            if (group, name) in seen:
                self.offers = [o for o in self.offers if (o.group, o.name) != (group, name)]
            seen.add((group, name))
            if reason:
                self._blame(f"line {number}, {line!r}: {reason}", group, name if equals else "")
            elif group in GROUPS:
                value = value.partition("[")[0].strip()
                self.offers.append(Offer(group, name, value, self.distribution, self.version))

    def _blame(self, reason: str, group: str, name: str) -> None:
        ours = group in GROUPS
        self.broken.append(
            Broken(
                self.distribution,
                self.file,
                reason,
                group if ours else "",
                name if ours else "",
            )
        )


def _fault(group: str, name: str, equals: str, value: str, twice: bool) -> str:
    """What is wrong with one line of an ``entry_points.txt``; empty where nothing is."""
    if not group:
        return "stands before any [group]"
    if not equals or not name:
        return "is not of the form `name = module:object`"
    if twice:
        return f"the name {name!r} stands twice in [{group}]"
    if group in GROUPS and not _OBJECT.match(value.partition("[")[0].strip()):
        return "is not of the form `name = module:object`"
    return ""
