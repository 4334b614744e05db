"""What a data set promises: records, images and labels of the right kind, and findings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np

from histokit.data.class_names import class_names
from histokit.errors import DataError
from histokit.interfaces import Dataset, DatasetSpec, Finding, Labels, Record
from histokit.registry.datasets import find_root
from histokit.testing.checks import broken, check
from histokit.testing.watch import Deeds, watched

SAMPLES = 3
"""Images that are read: the first ones."""
LEVELS = {"error", "warning", "note"}


@final
class DatasetSubject:
    """What the checks of a data set are run on.

    Args:
        spec: the card.
        root: where a copy of it lies; None where the data is made, or for the folder of
            ``HISTOKIT_DATA``.
        variant: what stands after ``@``; empty for the default.
    """

    def __init__(self, spec: DatasetSpec, root: Path | None, variant: str = "") -> None:
        self.spec, self.root, self.variant = spec, root, variant

    def open(self) -> Dataset:
        """The data set, opened anew."""
        made: Dataset = self.spec.load().open(find_root(self.spec, self.root), self.variant)
        return made

    @cached_property
    def data(self) -> Dataset:
        """The data set."""
        return self.open()

    @property
    def samples(self) -> Sequence[Record]:
        """The first records."""
        return self.data.records()[:SAMPLES]

    @property
    def paired(self) -> bool:
        """Whether its images have counterparts in place of labels."""
        return self.spec.task == "pairs"

    @cached_property
    def deeds(self) -> Deeds:
        """What opening and reading it does to files and the network."""
        with watched() as deeds:
            data = self.open()
            for record in data.records()[:SAMPLES]:
                data.image(record)
        return deeds


def _labelled(subject: Any) -> bool:
    return not subject.paired


def _paired(subject: Any) -> bool:
    return bool(subject.paired)


def _on_disk(subject: Any) -> bool:
    return bool(subject.spec.on_disk)


@check()
def reader(subject: Any) -> None:
    """The class behind the card is a Dataset and leaves nothing abstract."""
    made = subject.spec.load()
    if not (isinstance(made, type) and issubclass(made, Dataset)):
        raise broken(f"{subject.spec.reader} is no subclass of Dataset", found=repr(made))
    missing = sorted(getattr(made, "__abstractmethods__", ()))
    if missing:
        raise broken(f"{made.__name__} does not implement {', '.join(missing)}")


@check(needs=("reader",))
def works(subject: Any) -> None:
    """It opens, has images, and the first ones can be read."""
    if not subject.samples:
        raise broken("it has no images", found=str(subject.root or "made"))
    for record in subject.samples:
        subject.data.image(record)


@check(needs=("works",))
def records(subject: Any) -> None:
    """Each record has a key of its own and a group, and a second opening gives the same."""
    found = subject.data.records()
    keys = [record.key for record in found]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise broken("two records have one key", found=twice)
    bare = [record.key for record in found if not record.group]
    if bare:
        raise broken("a record without group", found=bare[0])
    if list(subject.open().records()) != list(found):
        raise broken("opened twice, it gives other records")


@check(needs=("works",))
def images(subject: Any) -> None:
    """Images are uint8 [H W 3] and the same each time."""
    for record in subject.samples:
        image = subject.data.image(record)
        _require_image(record, image)
        if not np.array_equal(image, subject.data.image(record)):
            raise broken(f"the image {record.key} is another each time")


@check(needs=("images",), applies=_labelled)
def labels(subject: Any) -> None:
    """Labels are int32 of the image's size, objects 1..N, with classes that the set names."""
    names = class_names(subject.spec, subject.variant, subject.data)
    for record in subject.samples:
        found: Labels = subject.data.labels(record)
        shape = subject.data.image(record).shape[:2]
        if found.ids.dtype != np.int32 or found.ids.shape != shape:
            raise broken(
                f"the labels of {record.key} are of another kind",
                expected=f"int32 {shape}",
                found=f"{found.ids.dtype} {found.ids.shape}",
            )
        present = np.unique(found.ids)
        present = present[present != 0]
        if not np.array_equal(present, np.arange(1, len(present) + 1)):
            raise broken(f"the objects of {record.key} are not numbered 1..N", found=str(present))
        strange = set(found.classes) - set(present.tolist())
        if strange:
            raise broken(f"{record.key} has classes of objects that are not there")
        wrong = [kind for kind in found.classes.values() if not 1 <= kind <= len(names)]
        if wrong:
            raise broken(
                f"{record.key} has a class that the data set does not name",
                expected=f"1 to {len(names)}",
                found=str(wrong[0]),
            )


@check(needs=("images",), applies=_paired)
def counterparts(subject: Any) -> None:
    """Counterparts are uint8 [H W 3] of the size of their images."""
    for record in subject.samples:
        other = subject.data.counterpart(record)
        _require_image(record, other)
        if other.shape != subject.data.image(record).shape:
            raise broken(f"the counterpart of {record.key} has another size")


@check(needs=("works",))
def verify(subject: Any) -> None:
    """`verify` gives findings, each with a known level, and no error."""
    for finding in subject.data.verify():
        if not isinstance(finding, Finding) or finding.level not in LEVELS:
            raise broken("verify gives something else than findings", found=repr(finding))
        if finding.level == "error":
            raise broken("verify finds an error", found=f"{finding.where}: {finding.message}")


@check(needs=("reader",), applies=_on_disk)
def absent(subject: Any) -> None:
    """In an empty folder it is not there: DataError, saying what was expected."""
    with TemporaryDirectory(prefix="histokit-check-") as folder:
        try:
            subject.spec.load().open(Path(folder), subject.variant).records()
        except DataError as error:
            if not error.expected:
                raise broken("the error does not say what was expected", found=error.what) from None
            return
    raise broken("an empty folder is taken for the data set")


def _require_image(record: Record, image: Any) -> None:
    if not isinstance(image, np.ndarray):
        raise broken(f"the image {record.key} is no array", found=type(image).__name__)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise broken(
            f"the image {record.key} is of another kind",
            expected="uint8 [H W 3]",
            found=f"{image.dtype} {list(image.shape)}",
        )


READING = (reader, works, records, images, labels, counterparts, verify, absent)
