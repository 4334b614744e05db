"""`histokit data import`: any data set into one file that trains at full speed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histokit import __version__
from histokit.data.class_names import class_names
from histokit.data.generic import numbered_names
from histokit.data.h5 import H5Store
from histokit.data.kinds import require_classes
from histokit.errors import DataError, HistokitError, PartialFailure
from histokit.interfaces import Dataset, DatasetSpec, Labels, Record
from histokit.io.stores import About, Failure, Row, StoreWriter, new_store
from histokit.registry.datasets import find_dataset, open_source
from histokit.registry.refs import parse_source


@dataclass(frozen=True, slots=True)
class Copying:
    """How far the import is: `step` of `total` images are looked at, the last of them `failed`."""

    step: int
    total: int
    images_per_second: float
    eta_seconds: float
    failed: bool
    phase: str = "import"
    losses: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """The import is over: the file with its bytes, what is in it, and the images that are not."""

    out: Path
    bytes: int
    images: int
    labelled: int
    objects: int
    classes: tuple[str, ...]
    failures: tuple[Failure, ...]


def import_dataset(
    source: str,
    out: Path,
    *,
    data_root: Path | None = None,
    overwrite: bool = False,
    raw: bool = False,
) -> Iterator[Copying | Failure | Imported]:
    """Writes the data set `source` (``NAME[@VARIANT][:PATH]``) into the one file `out`, its pixels
    deflated or as they are (`raw`).

    Classes that nothing names are called by their numbers. Yields how far it is after each image,
    and each image that could not be read. Raises PartialFailure at the end when there were such,
    and DataError when none could be read (then nothing is written) or when `out` is there already.
    """
    _require_free(out, overwrite)
    ref = parse_source(source)
    spec = find_dataset(ref.name)
    data = open_source(ref, data_root)
    about = replace(_about(source, spec, data), classes=class_names(spec, ref.variant, data))
    with new_store(out, raw=raw) as store:
        for step in _copy(spec, data, about, store):
            yield from store.failures[-1:] if step.failed else ()
            yield step
        if not store.rows:
            raise _nothing(source, store.failures)
        names = about.classes or numbered_names(store.highest_class)
        store.finish(replace(about, classes=names))
    yield Imported(
        out=out,
        bytes=out.stat().st_size,
        images=len(store.rows),
        labelled=sum(row.labelled for row in store.rows),
        objects=store.objects,
        classes=names,
        failures=tuple(store.failures),
    )
    failed, total = len(store.failures), len(data.records())
    if failed:
        raise PartialFailure(
            f"{failed} of {total} images could not be read; the others are in {out}",
            hint=f"histokit data verify {source}",
        )


def _require_free(out: Path, overwrite: bool) -> None:
    if out.is_dir() or (out.exists() and not overwrite):
        raise DataError(
            f"{out} is there already",
            expected="the name of a new file",
            found="a folder" if out.is_dir() else "a file",
            hint="choose another -o FILE" + ("" if out.is_dir() else ", or add --overwrite"),
        )


def _copy(spec: DatasetSpec, data: Dataset, about: About, store: StoreWriter) -> Iterator[Copying]:
    """Adds every image to the store, or to the failures of it."""
    records = data.records()
    began = time.perf_counter()
    for step, record in enumerate(records, 1):
        failed = False
        try:
            item = _read(spec, data, about, record)
        except HistokitError as error:
            failed = True
            store.leave_out(Failure(record.key, str(error)))
        else:
            store.add(*item)
        rate = step / max(time.perf_counter() - began, 1e-9)
        yield Copying(step, len(records), rate, (len(records) - step) / rate, failed)


def _read(
    spec: DatasetSpec, data: Dataset, about: About, record: Record
) -> tuple[Row, NDArray[np.uint8], Labels | None, NDArray[np.uint8] | None]:
    """Everything of one image. Raises DataError where any of it cannot be read or does not fit."""
    mpp = spec.mpp if record.mpp is None else record.mpp
    pairs = about.task == "pairs"
    labelled = not pairs and (bool(record.labels) or record.image is None)
    image = data.image(record)
    labels = data.labels(record) if labelled else None
    other = data.counterpart(record) if pairs else None
    if labels is not None and about.classes:
        kinds = np.array(list(labels.classes.values()), np.int32)
        require_classes(str(record.image or record.key), kinds, about.classes)
    if labels is not None:
        _require_shape(record, "labels", labels.ids.shape, image.shape[:2])
    if other is not None:
        _require_shape(record, "counterpart", other.shape, image.shape)
    return Row(record.key, record.group, record.split, mpp, labelled), image, labels, other


def _require_shape(
    record: Record, what: str, found: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    if found != expected:
        raise DataError(
            f"the {what} of {record.image or record.key} are of another size",
            expected=f"{list(expected)}, as the image",
            found=f"{list(found)}",
            hint="replace one of them; histokit never resizes labels",
        )


def _about(source: str, spec: DatasetSpec, data: Dataset) -> About:
    """What the file says of the whole; one made from another says what that one said."""
    if isinstance(data, H5Store):
        return data.store.about
    return About(
        source=source,
        task=spec.task,
        licence=spec.licence,
        homepage=spec.homepage,
        reference=spec.reference,
        group=spec.group,
        histokit=__version__,
    )


def _nothing(source: str, failures: Sequence[Failure]) -> DataError:
    if not failures:
        return DataError(f"{source} has no images", hint="see `histokit data info`")
    return DataError(
        f"none of the {len(failures)} images of {source} could be read; nothing is written",
        found=f"first {failures[0].key}: {failures[0].reason}",
        hint=f"histokit data verify {source}",
    )
