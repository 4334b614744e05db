"""Predictions that other tools left in a folder, matched to the images of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from histokit.data.layout import natural
from histokit.errors import DataError, UsageError
from histokit.interfaces import Instances, Record
from histokit.io.foreign import SUFFIXES, Kind, is_ours, kind_of, read_prediction, stem

Format: TypeAlias = Literal["auto"] | Kind
FOLDERS: Mapping[str, tuple[Kind, ...]] = {
    "predictions": ("histokit",),
    "mat": ("hovernet-mat",),
    "json": ("hovernet-json",),
    "geojson": ("geojson",),
    "labels": ("histokit", "label"),
}
"""Where `histokit eval`, `histokit predict` and HoVer-Net put files of each kind, in the order in
which they are looked for: exact maps with classes first."""
NAMED = 20
"""So many strange files are told by name."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Files that hold predictions.

    Attributes:
        folder: where they are.
        kind: what they are.
        files: by the key of the record they belong to.
        strangers: files that belong to no record.
    """

    folder: Path
    kind: Kind
    files: Mapping[str, Path]
    strangers: Sequence[Path]

    def read(self, record: Record, size: tuple[int, int], class_names: Sequence[str]) -> Instances:
        """The prediction for a record of a size (rows, columns).

        Raises DataError where there is none, or it cannot be read as one of this size.
        """
        if record.key not in self.files:
            names = sorted(_names(record), key=lambda name: (len(name), name))
            raise DataError(
                f"there is no prediction for {record.key}",
                expected=f"{' or '.join(names)}, ending in {' or '.join(SUFFIXES[self.kind])}",
                found=f"no such file in {self.folder}",
                hint="predict every image of the part, or choose another with --part",
            )
        return read_prediction(self.files[record.key], self.kind, size, class_names)

    @property
    def origin(self) -> str:
        """What was found, in words."""
        return f"{len(self.files)} predictions of kind {self.kind} in {self.folder}"

    @property
    def strange(self) -> str:
        """The files that belong to no image, in words; empty where there are none."""
        if not self.strangers:
            return ""
        names = [str(path.relative_to(self.folder)) for path in self.strangers[:NAMED]]
        rest = len(self.strangers) - len(names)
        more = f" and {rest} more" if rest else ""
        listed = ", ".join(names) + more
        return f"{len(self.strangers)} files belong to no image of the data set: {listed}"


def find_predictions(folder: Path, wanted: Format, records: Iterable[Record]) -> Predictions:
    """The predictions in a folder, or in the subfolder where such files usually are.

    A file belongs to the record whose key, last part of the key, or image it is named after; a
    name that several records share belongs to none.

    Raises DataError where there are none, files of several kinds, or two for one record.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected="a folder of predictions")
    root, kind, paths = _choose(folder, wanted)
    files: dict[str, Path] = {}
    strangers = []
    owner = _Owners(records)
    for path in paths:
        key = owner.of(path.relative_to(root))
        if key is None:
            strangers.append(path)
        elif key in files:
            raise DataError(
                f"two files hold a prediction for {key}", found=f"{files[key]} and {path}",
                hint="name the folder that holds one of them",
            )  # fmt: skip
        else:
            files[key] = path
    return Predictions(root, kind, files, strangers)


class _Owners:
    """Which record a file is named after."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._keys: set[str] = set()
        self._claims: dict[str, set[str]] = {}
        for record in records:
            self._keys.add(record.key)
            for name in _names(record):
                self._claims.setdefault(name, set()).add(record.key)

    def of(self, path: Path) -> str | None:
        """The key for a path relative to the folder of predictions; None where there is none."""
        bare = stem(path)
        for name in (path.with_name(bare).as_posix(), bare):
            if name in self._keys:
                return name
            claimed = self._claims.get(name, set())
            if len(claimed) == 1:
                return next(iter(claimed))
        return None


def _names(record: Record) -> set[str]:
    """The names a prediction for a record may have."""
    names = {record.key, record.key.replace("/", "_"), record.key.rpartition("/")[2]}
    return names if record.image is None else names | {record.image.stem}


def _choose(folder: Path, wanted: Format) -> tuple[Path, Kind, list[Path]]:
    """The folder that truly holds the files, what they are, and they."""
    for name, kinds in FOLDERS.items():
        inner = folder / name
        if inner.is_dir() and (wanted == "auto" or wanted in kinds):
            kind, paths = _listed(inner, wanted)
            if paths and kind in kinds:
                return inner, kind, paths
    kind, paths = _listed(folder, wanted)
    if not paths:
        endings = sorted({e for ends in SUFFIXES.values() for e in ends})
        raise DataError(
            f"there are no predictions in {folder}",
            expected="files ending in "
            + ", ".join(endings if wanted == "auto" else SUFFIXES[kind]),
        )
    return folder, kind, paths


def _listed(folder: Path, wanted: Format) -> tuple[Kind, list[Path]]:
    """The files of the wanted kind, or of the only kind that there is. Raises UsageError."""
    inside = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    shown = [path for path in inside if not any(part.startswith(".") for part in path.parts)]
    paths = [folder / path for path in sorted(shown, key=lambda path: natural(path.as_posix()))]
    if wanted != "auto":
        return wanted, [path for path in paths if path.name.lower().endswith(SUFFIXES[wanted])]
    found: dict[Kind, list[Path]] = {}
    for path in paths:
        kind = kind_of(path)
        if kind is not None:
            found.setdefault(kind, []).append(path)
    if len(found) > 1:
        raise UsageError(
            f"{folder} holds several kinds of predictions",
            found=", ".join(f"{len(some)} {kind}" for kind, some in found.items()),
            hint="say which with --format, or name a folder that holds one kind",
        )
    if "label" in found and any(is_ours(path) for path in found["label"]):
        return "histokit", found["label"]
    return next(iter(found.items()), ("label", []))
