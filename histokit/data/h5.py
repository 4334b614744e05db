"""Reader of the data sets that `histokit data import` writes: one HDF5 file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.cards_generic import H5
from histokit.data.checks import label_paths, shared_findings
from histokit.data.generic import apart
from histokit.data.kinds import require_classes
from histokit.data.layout import check_variant
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.stores import Store


@final
@dataclass(frozen=True)
class H5Store(Dataset):
    """An imported data set, opened: the same images, objects, classes, groups, parts and pixel
    sizes as what it was made from.
    """

    store: Store
    found: tuple[Record, ...]
    places: Mapping[str, int]

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set in the file `root`; there are no variants. Raises DataError."""
        check_variant(H5, variant)
        path = root.expanduser().absolute()
        if path.is_dir():
            raise DataError(
                f"{path} is a folder",
                expected="one file of `histokit data import`",
                found=", ".join(file.name for file in sorted(path.glob("*.h5"))) or "no .h5 file",
                hint="name the file: h5:FILE.h5",
            )
        store = Store(path)
        found = tuple(
            Record(row.key, row.group, path, (path,) * row.labelled, row.split, row.mpp)
            for row in store.rows
        )
        return cls(store, found, {row.key: place for place, row in enumerate(store.rows)})

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, as the data set had them that this was made from."""
        return self.store.about.classes

    def records(self) -> Sequence[Record]:
        """All images, in the order of the data set that this was made from."""
        return self.found

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image, uint8 [H W 3]. Raises DataError with the path."""
        return self.store.image(self._place(record))

    def labels(self, record: Record) -> Labels:
        """The objects of an image and their classes. Raises DataError with the path."""
        place = self._place(record)
        label_paths(record)
        classes = self.store.classes(place)
        kinds = np.array(list(classes.values()), np.int32)
        require_classes(f"{self.store.path}[{record.key}]", kinds, self.class_names)
        return Labels(self.store.ids(place), classes)

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The same place in the other stain, uint8 [H W 3]. Raises DataError with the path."""
        return self.store.counterpart(self._place(record))

    def verify(self) -> Iterator[Finding]:
        """Images that the import left out, and the shared checks."""
        for failure in self.store.failures:
            yield Finding("warning", failure.key, f"was left out of the import: {failure.reason}")
        yield from shared_findings(replace(self, found=apart(self.found)))

    def _place(self, record: Record) -> int:
        if record.key not in self.places:
            raise DataError(
                f"{self.store.path} has no image {record.key!r}",
                expected=f"one of its {len(self.places)} keys",
                hint="take the records from the data set that you read them with",
            )
        return self.places[record.key]
