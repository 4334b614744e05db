"""The part of `verify` that all data sets share, and the refusal of sizes that differ."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from histokit.data.cards import Expected
from histokit.data.channels import channel_findings
from histokit.errors import DataError
from histokit.interfaces.dataset import Dataset, Finding, Labels, Record
from histokit.io.images import image_size

if TYPE_CHECKING:
    from numpy.typing import NDArray


def image_path(record: Record) -> Path:
    """The image file of a record on disk. Raises DataError for a record without one."""
    if record.image is None:
        raise DataError(f"record {record.key} has no image file")
    return record.image


def label_paths(record: Record) -> tuple[Path, ...]:
    """The label files of a record, at least one. Raises DataError where there are none."""
    if not record.labels:
        raise DataError(
            f"{record.image or record.key} has no labels",
            expected="a label file",
            hint="use it for prediction or as an unlabelled target, or add its labels",
        )
    return record.labels


def require_same_size(record: Record, mask: Path, shape: tuple[int, ...]) -> None:
    """Raises DataError, naming both files and sizes, where a mask is not as large as its image."""
    image = image_path(record)
    height, width = image_size(image)
    if shape != (height, width):
        raise DataError(
            f"{mask} does not fit its image",
            expected=f"{height}x{width} pixels (height x width), as {image} has",
            found=f"{shape[0]}x{shape[1]} pixels",
            hint="replace the mask; histokit never resizes labels",
        )


def orphan_findings(paths: Iterable[Path]) -> Iterator[Finding]:
    """A warning for each label file, or folder of them, that belongs to no image."""
    for path in paths:
        yield Finding("warning", str(path), "has no image")


def shared_findings(dataset: Dataset, expected: Expected | None = None) -> Iterator[Finding]:
    """What is odd or wrong in any data set: counts, splits, channels, files, sizes, duplicates.

    Reads every label once and every image twice.
    """
    records = dataset.records()
    if expected is not None:
        yield from count_findings(records, expected)
    yield from split_findings(records)
    paths = [record.image for record in records if record.image is not None]
    if len(set(paths)) == len(paths):  # else many images lie in one file
        yield from channel_findings(paths)
    unlabelled = not any(record.labels for record in records)
    if unlabelled:
        yield Finding("note", "labels", "no image has labels; good for prediction and as a target")
    seen: dict[str, Record] = {}
    for record in records:
        yield from _record_findings(dataset, record, seen)
        if not record.labels and not unlabelled:
            yield Finding("warning", _where(record), "has no labels")


def count_findings(records: Sequence[Record], expected: Expected) -> Iterator[Finding]:
    """A note for each official part, and for the groups, that is not complete."""
    counts = Counter(record.split or "" for record in records)
    for part, wanted in expected.images.items():
        if counts[part] != wanted:
            text = f"{counts[part]} of {wanted} {part + ' ' if part else ''}images are here"
            yield Finding("note", part or "images", text)
    groups = len({record.group for record in records})
    if expected.groups is not None and groups != expected.groups:
        yield Finding("note", "groups", f"{groups} of {expected.groups} groups are here")


def split_findings(records: Sequence[Record]) -> Iterator[Finding]:
    """A warning for each group that lies in two official parts."""
    splits: Mapping[str, set[str]] = defaultdict(set)
    for record in records:
        if record.split is not None:
            splits[record.group].add(record.split)
    for group, names in splits.items():
        if len(names) > 1:
            parts = " and ".join(sorted(names))
            yield Finding("warning", group, f"is in {parts}: scores on it are not independent")


def _where(record: Record) -> str:
    return str(record.image or record.key)


def _record_findings(
    dataset: Dataset, record: Record, seen: dict[str, Record]
) -> Iterator[Finding]:
    shape = None
    try:
        image = dataset.image(record)
    except DataError as error:
        yield Finding("error", _where(record), str(error))
    else:
        shape = image.shape[:2]
        other = seen.setdefault(_content(image), record)
        if other is not record:
            text = f"has the same pixels as {_where(other)}"
            leak = "" if other.group == record.group else ", which counts as another group"
            yield Finding("warning", _where(record), text + leak)
    if record.labels:
        yield from _label_findings(dataset, record, shape)


def _content(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def _label_findings(
    dataset: Dataset, record: Record, shape: tuple[int, ...] | None
) -> Iterator[Finding]:
    where = str(record.labels[0])
    try:
        labels = dataset.labels(record)
    except DataError as error:
        yield Finding("error", where, str(error))
        return
    if shape is not None and labels.ids.shape != shape:
        yield Finding("error", where, f"labels are {labels.ids.shape}, the image is {shape}")
    yield from _id_findings(where, labels)


def _id_findings(where: str, labels: Labels) -> Iterator[Finding]:
    ids = np.unique(labels.ids)
    objects = ids[ids != 0]
    if len(objects) == 0:
        yield Finding("note", where, "holds no object")
    elif objects[0] != 1 or objects[-1] != len(objects):
        yield Finding("error", where, "ids are not 1..N without gaps")
