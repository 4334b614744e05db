"""The installed data sets, by name, and where they lie on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from histokit.errors import DataError, UnknownName
from histokit.interfaces.spec import DatasetSpec
from histokit.registry.cards import Entry, Kind, entries, find
from histokit.registry.discovery import DATASETS

if TYPE_CHECKING:
    from histokit.interfaces.dataset import Dataset
    from histokit.registry.refs import SourceRef

KIND = Kind(DATASETS, "data set", DatasetSpec, {})
VARIABLE = "HISTOKIT_DATA"
"""The environment variable that names the folder of all data sets."""


def find_dataset(name: str) -> DatasetSpec:
    """The card of a data set. Raises what `histokit.registry.cards.find` raises."""
    return cast(DatasetSpec, find(KIND, name))


def list_datasets() -> list[Entry]:
    """Every data set that is offered, sound or broken."""
    return entries(KIND)


def open_source(source: SourceRef, data_root: Path | None = None) -> Dataset:
    """The data set that a ``--source`` or ``--target`` names, opened by its reader.

    Raises UnknownName for its name or variant and DataError where it is not there.
    """
    spec = find_dataset(source.name)
    if source.variant and spec.variants and source.variant not in spec.variants:
        raise UnknownName(f"variant of {spec.name}", source.variant, spec.variants)
    root = find_root(spec, source.path, data_root)
    reader = spec.load()
    try:
        return cast("Dataset", reader.open(root, source.variant))
    except DataError as error:
        if source.path is not None or named_folder(spec, root) is not None:
            raise
        raise missing(spec, f"{root}, where it is not") from error


def set_name(source: SourceRef, spec: DatasetSpec) -> str:
    """What a data set is called in tables: its name with its variant; the name of the folder, or
    of the file without its ending, for the user's own.
    """
    if spec.own and source.path is not None:
        path = source.path.expanduser().resolve()
        return path.stem if path.is_file() else path.name
    return f"{source.name}@{source.variant}" if source.variant else source.name


def find_root(
    spec: DatasetSpec,
    path: Path | None = None,
    data_root: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """The folder to open a data set from.

    That is `path`; else the folder of `data_root`, or of ``HISTOKIT_DATA``, whose name holds the
    data set's name, or that folder itself, where only the reader can tell whether it is there.

    Raises DataError, with the expected tree, where to get it and what to type, where there is
    no such folder.
    """
    if not spec.on_disk:
        return path or Path()
    if path is not None:
        if not path.exists():
            raise missing(spec, f"no such folder: {path}")
        return path
    base = base_folder(data_root, environ)
    if base is None:
        raise missing(spec, f"neither a folder for it, nor --data-root, nor {VARIABLE}")
    if not base.is_dir():
        raise missing(spec, f"no such folder: {base}")
    return named_folder(spec, base) or base


def base_folder(
    data_root: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The folder of all data sets: `data_root`, else ``HISTOKIT_DATA``, else None."""
    if data_root is not None:
        return data_root
    named = environ.get(VARIABLE)
    return Path(named).expanduser() if named else None


def named_folder(spec: DatasetSpec, base: Path) -> Path | None:
    """The folder whose name says that it is the data set: one in `base`, or `base` itself.

    Case, spaces, underscores and hyphens do not matter; the closest name wins.
    """
    wanted = _plain(spec.name)
    inside = [folder for folder in base.iterdir() if folder.is_dir()] if base.is_dir() else []
    fits = [folder for folder in inside if wanted in _plain(folder.name)]
    if fits:
        return min(fits, key=lambda folder: (len(folder.name), folder.name))
    return base if wanted in _plain(base.absolute().name) else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def missing(spec: DatasetSpec, found: str) -> DataError:
    """The error that tells a user how a data set is to be had and where to put it."""
    tree = "\n".join(f"    {line}" for line in spec.tree.strip("\n").splitlines())
    return DataError(
        f"data set {spec.name!r} is not here",
        expected=f"a folder with\n{tree}\n  from: {spec.homepage}\n  licence: {spec.licence}",
        found=found,
        hint=f"--data-root FOLDER, {VARIABLE}=FOLDER, or name it: {spec.name}:FOLDER",
    )
