"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.class_names import class_names
from histokit.errors import DataError
from histokit.interfaces import Dataset, DatasetSpec, Finding, Labels, Record
from histokit.registry.datasets import find_dataset, open_source, set_name
from histokit.registry.refs import parse_pool


@final
class Pooled(Dataset):
    """The images of several data sets; keys and groups begin with the name of their own.

    Args:
        members: the opened data sets by name, each with its card and the names of its classes.
    """

    def __init__(self, members: Mapping[str, tuple[DatasetSpec, Dataset, tuple[str, ...]]]) -> None:
        self._members = members
        self._owner: dict[str, tuple[Dataset, Record]] = {}
        self._records: list[Record] = []
        for name, (spec, data, _) in members.items():
            for record in data.records():
                mine = _renamed(record, name, spec)
                self._records.append(mine)
                self._owner[mine.key] = data, record

    @classmethod
    def open(cls, root: Path | None, variant: str) -> Self:
        """The data sets that `variant` names, as ``a+b``.

        Args:
            root: folder that holds data sets; None for those whose folder is named or set.
            variant: what `histokit.registry.refs.parse_pool` reads.

        Raises DataError where one is not there, or the same name stands twice.
        """
        members: dict[str, tuple[DatasetSpec, Dataset, tuple[str, ...]]] = {}
        for source in parse_pool(variant):
            spec = find_dataset(source.name)
            name = set_name(source, spec)
            if name in members:
                raise DataError(
                    f"two pooled data sets are called {name}",
                    expected="a different name, or name of the folder, for each",
                    found=variant,
                )
            data = open_source(source, root)
            members[name] = spec, data, class_names(spec, source.variant, data)
        return cls(members)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(self._members)

    def card(self) -> DatasetSpec:
        """The card of the pool. It has classes where all members have the same."""
        specs = [spec for spec, _, _ in self._members.values()]
        kinds = {classes for _, _, classes in self._members.values()}
        return DatasetSpec(
            name="+".join(self._members),
            summary="; ".join(spec.summary for spec in specs),
            reader="histokit.data.pooled:Pooled",
            task=specs[0].task,
            licence="; ".join(dict.fromkeys(f"{spec.name}: {spec.licence}" for spec in specs)),
            homepage="; ".join(dict.fromkeys(spec.homepage for spec in specs)),
            tree="\n".join(spec.tree for spec in specs),
            classes=kinds.pop() if len(kinds) == 1 else (),
            group="; ".join(dict.fromkeys(spec.group for spec in specs)),
        )

    def records(self) -> Sequence[Record]:
        """The records of all members, one member after the other."""
        return self._records

    def parts(self) -> list[list[Record]]:
        """The records of each member."""
        heads = [f"{name}/" for name in self._members]
        return [[r for r in self._records if r.key.startswith(head)] for head in heads]

    def image(self, record: Record) -> NDArray[np.uint8]:
        """As the member reads it."""
        data, own = self._owner[record.key]
        return data.image(own)

    def labels(self, record: Record) -> Labels:
        """As the member reads them."""
        data, own = self._owner[record.key]
        return data.labels(own)

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """As the member reads it."""
        data, own = self._owner[record.key]
        return data.counterpart(own)

    def verify(self) -> Iterator[Finding]:
        """What the members find, one after the other."""
        for name, (_, data, _) in self._members.items():
            for finding in data.verify():
                yield replace(finding, where=f"{name}: {finding.where}")


def _renamed(record: Record, name: str, spec: DatasetSpec) -> Record:
    mpp = record.mpp if record.mpp is not None else spec.mpp
    return replace(record, key=f"{name}/{record.key}", group=f"{name}/{record.group}", mpp=mpp)
