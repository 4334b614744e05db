"""What a user may type for a trained thing or a data set, taken apart."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histokit.errors import DataError, UsageError
from histokit.registry.discovery import DATASETS, METHODS, normalise, scan

RUN_FILE = "run.yaml"
"""The file that makes a folder a run."""
WEIGHTS = (".safetensors", ".ckpt")
"""Endings of files that hold weights."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A trained thing by name, run folder or file.

    Attributes:
        kind: ``method`` (its newest run or a preset's weights), ``run`` or ``weights``.
        name: the method, perhaps as ``distribution:name``; empty for a run or a file.
        preset: the preset, or empty.
        path: the run folder or file; None for a method.
    """

    kind: Literal["method", "run", "weights"]
    name: str = ""
    preset: str = ""
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A data set by name, with its variant (empty for the default) and perhaps its folder."""

    name: str
    variant: str = ""
    path: Path | None = None

    def __str__(self) -> str:
        variant = f"@{self.variant}" if self.variant else ""
        return f"{self.name}{variant}" + (f":{self.path}" if self.path is not None else "")


def parse_ref(text: str) -> Ref:
    """Takes apart ``name``, ``name:preset``, ``dist:name[:preset]``, a run folder or a file.

    An offered method wins over a folder of the same name, an installed distribution over a method
    of the same name. Whether the method exists is asked later, by `find_method`.
    Raises DataError where a path is meant and no run or weights lie there, UsageError where the
    text is none of these.
    """
    if not text.strip():
        raise UsageError("an empty reference", expected="a method, NAME:PRESET or a run folder")
    path = Path(text).expanduser()
    if _means_path(text, path):
        return _at(path)
    name, rest = _split_owner(text)
    name_only, _, preset = rest.partition(":")
    if not name_only:
        raise UsageError(f"cannot read {text!r}", expected="NAME, NAME:PRESET or a run folder")
    return Ref("method", f"{name}{name_only}", preset)


def parse_source(text: str) -> SourceRef:
    """Takes apart ``name[@variant][:path]``; ``dist:name…`` where `dist` is installed.

    Raises UsageError where there is no name.
    """
    owner, rest = _split_owner(text.strip())
    head, _, path = rest.partition(":")
    name, _, variant = head.partition("@")
    if not name:
        raise UsageError(
            f"cannot read the data set {text!r}",
            expected="NAME[@VARIANT][:FOLDER]",
            hint="see `histokit data list`",
        )
    return SourceRef(f"{owner}{name}", variant, Path(path).expanduser() if path else None)


def parse_pool(text: str) -> list[SourceRef]:
    """Takes apart ``a+b``, where each part is what `parse_source` reads.

    A plus sign parts two data sets only where the name of an offered one follows, so that folders
    may have plus signs in their names.
    """
    names = {offer.name for offer in scan().offers if offer.group == DATASETS}
    parts: list[str] = []
    for piece in text.split("+"):
        name = re.split("[@:]", _split_owner(piece.strip())[1], maxsplit=1)[0]
        if parts and name not in names:
            parts[-1] += f"+{piece}"
        else:
            parts.append(piece)
    return [parse_source(part) for part in parts]


def _means_path(text: str, path: Path) -> bool:
    if any(offer.group == METHODS and offer.name == text for offer in scan().offers):
        return False
    looks = os.sep in text or text.startswith((".", "~")) or text.endswith(WEIGHTS)
    return looks or (path / RUN_FILE).is_file()


def _at(path: Path) -> Ref:
    if path.name == RUN_FILE and path.is_file():
        return Ref("run", path=path.parent)
    if path.is_dir() and (path / RUN_FILE).is_file():
        return Ref("run", path=path)
    if path.is_file() and path.suffix in WEIGHTS:
        return Ref("weights", path=path)
    found = "a folder without it" if path.is_dir() else "a file" if path.exists() else "nothing"
    raise DataError(
        f"{path} is neither a run nor weights",
        expected=f"a folder with {RUN_FILE}, or a file ending in {' or '.join(WEIGHTS)}",
        found=f"{found} at {path.absolute()}",
    )


def _split_owner(text: str) -> tuple[str, str]:
    """``dist:`` (or nothing) and the rest, where `dist` is a distribution that offers something."""
    first, colon, rest = text.partition(":")
    known = {offer.distribution for offer in scan().offers}
    if colon and normalise(first) in known:
        return f"{normalise(first)}:", rest
    return "", text
