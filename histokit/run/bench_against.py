"""A result of `histokit bench` beside an earlier one: ratios, and what makes them unfair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from histokit.errors import DataError
from histokit.io.files import read_json

SAME = (
    *("size", "batch", "precision", "channels_last", "settings"),
    *("threads", "workers", "device", "python"),
)
"""What is told where it differs, of how and on what was measured."""
VERSIONS = ("libraries", "plugins")
"""Whose versions are told where they differ."""

Row = Mapping[str, Any]
Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A row against the same row of an earlier result.

    Attributes:
        subject: the method or network.
        task: what it did.
        compiled: whether its networks were compiled.
        speed: how many times faster it is now; above 1 is better.
        memory: how many times more memory it takes now; below 1 is better. None where none was
            taken.
    """

    subject: str
    task: str
    compiled: bool
    speed: float
    memory: float | None


@dataclass(frozen=True, slots=True)
class Against:
    """The comparison: a ratio for each row that was measured both times, and what to know of it."""

    path: Path
    ratios: Sequence[Ratio]
    warnings: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "file": str(self.path),
            "ratios": [asdict(ratio) for ratio in self.ratios],
            "warnings": list(self.warnings),
        }

    def of(self, subject: str, task: str, compiled: bool) -> Ratio | None:
        """The ratio of a row; None where it was not measured both times."""
        wanted = (subject, task, compiled)
        return next((r for r in self.ratios if (r.subject, r.task, r.compiled) == wanted), None)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A result that was written with ``--out``."""

    path: Path
    about: Mapping[str, Any]
    rows: Mapping[Key, Row]

    def against(self, about: Mapping[str, Any], rows: Sequence[Row]) -> Against:
        """How new rows, measured as `about` says, compare with these."""
        now = _measured(rows)
        both = [key for key in now if key in self.rows]
        ratios = [_ratio(now[key], self.rows[key]) for key in both]
        named = {row["subject"] for row in rows}
        then = {key: row for key, row in self.rows.items() if key[0] in named}
        warnings = [*self._differences(about), *_only_one(self.path, then, now)]
        return Against(self.path, ratios, warnings)

    def _differences(self, about: Mapping[str, Any]) -> list[str]:
        """What was not the same, a line each."""
        then, now = _flat(self.about), _flat(about)
        return [
            f"not the same in {self.path}: {name} was {then.get(name, 'not there')}, "
            f"is {now.get(name, 'not there')}"
            for name in sorted(then.keys() | now.keys())
            if then.get(name) != now.get(name)
        ]


def read_earlier(path: Path) -> Earlier:
    """The result in a file that ``histokit bench --out`` wrote. Raises DataError for another."""
    found = read_json(path)
    try:
        return Earlier(path, found, _measured(found["rows"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is not a result of `histokit bench`",
            expected="a JSON file that --out wrote",
            found=f"{type(error).__name__}: {error}",
            hint="histokit bench … --out FILE, then --against FILE",
        ) from error


def _measured(rows: Sequence[Row]) -> dict[Key, Row]:
    """Rows that could be measured, by what they are of."""
    return {
        (row["subject"], row["task"], row["compiled"]): row for row in rows if not row["reason"]
    }


def _only_one(path: Path, then: Mapping[Key, Row], now: Mapping[Key, Row]) -> Iterator[str]:
    """Lines that name what was measured one time alone."""
    lost = _words(key for key in then if key not in now)
    new = _words(key for key in now if key not in then)
    if lost:
        yield f"measured in {path} alone: {lost}"
    if new:
        yield f"not measured in {path}: {new}"


def _words(keys: Iterable[Key]) -> str:
    return ", ".join(
        f"{subject} {task}{' compiled' if compiled else ''}" for subject, task, compiled in keys
    )


def _ratio(now: Row, then: Row) -> Ratio:
    rate = "megapixels_per_s" if now["megapixels_per_s"] else "images_per_s"
    memory = now["memory_bytes"] / then["memory_bytes"] if then["memory_bytes"] else None
    speed = now[rate] / then[rate]
    return Ratio(now["subject"], now["task"], now["compiled"], speed, memory)


def _flat(about: Mapping[str, Any]) -> dict[str, str]:
    """What must be the same for a fair comparison, one level deep."""
    found = {name: str(about[name]) for name in ("histokit", *SAME) if name in about}
    for group in VERSIONS:
        found.update({name: str(version) for name, version in about.get(group, {}).items()})
    return found
