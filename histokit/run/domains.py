"""Data sets as a run sees them: opened, split, and brought to one pixel size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from histokit.data.class_names import class_names
from histokit.data.pooled import Pooled
from histokit.data.split import Split, fold_records, split_records
from histokit.errors import DataError
from histokit.interfaces import Dataset, DatasetSpec, Labels, Record
from histokit.registry.datasets import find_dataset, open_source, set_name
from histokit.registry.refs import parse_pool

SAME_MPP = 0.1
"""Relative difference of pixel sizes that is left alone."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A data set in a run.

    Attributes:
        ref: what the user typed, such as ``tnbc:/data/TNBC``.
        spec: the card.
        data: the opened reader.
        split: keys of training, validation and test.
        mpp: micrometres a pixel that images are brought to; None leaves them as they are.
    """

    ref: str
    spec: DatasetSpec
    data: Dataset
    split: Split
    mpp: float | None = None

    @property
    def name(self) -> str:
        """The data set's name with its variant; the folder's name for the user's own files; the
        names of a pool joined by plus signs.
        """
        members = parse_pool(self.ref)
        return self.spec.name if len(members) > 1 else set_name(members[0], self.spec)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the object classes 1..K; empty where there is one kind."""
        members = parse_pool(self.ref)
        return class_names(self.spec, members[0].variant if len(members) == 1 else "", self.data)

    def part(self, part: str) -> list[Record]:
        """The records of ``train``, ``val``, ``test`` or ``all``, in order."""
        records = self.data.records()
        if part == "all":
            return list(records)
        keys = set(self.split[part])
        return [record for record in records if record.key in keys]

    def native_mpp(self, record: Record) -> float | None:
        """Micrometres a pixel of a record, as its file or the card says."""
        return record.mpp if record.mpp is not None else self.spec.mpp

    def scale(self, record: Record) -> float:
        """Factor on the side lengths that brings a record to `mpp`; 1 where nothing is to do."""
        native = self.native_mpp(record)
        if native is None or self.mpp is None or abs(native / self.mpp - 1) <= SAME_MPP:
            return 1.0
        return native / self.mpp

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The image at the run's pixel size, uint8 [H W 3]."""
        return rescale_image(self.data.image(record), self.scale(record))

    def labels(self, record: Record) -> Labels:
        """The truth at the run's pixel size; an object may vanish where the image shrinks."""
        labels = self.data.labels(record)
        factor = self.scale(record)
        return labels if factor == 1.0 else Labels(rescale_ids(labels.ids, factor), labels.classes)

    def counterpart(self, record: Record) -> NDArray[np.uint8]:
        """The same place in the other stain at the run's pixel size, uint8 [H W 3]."""
        return rescale_image(self.data.counterpart(record), self.scale(record))


def open_domain(
    ref: str,
    *,
    data_root: Path | None = None,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    split_seed: int = 0,
    fold: tuple[int, int] | None = None,
    split: Mapping[str, Sequence[str]] | None = None,
) -> Domain:
    """Opens what the user typed after ``--source`` or ``--target``.

    Args:
        ref: ``name[@variant][:path]``, or several joined by plus signs.
        data_root: folder that holds data sets.
        shares: of training, validation and test.
        split_seed: seed of the split.
        fold: round of cross-validation and number of rounds; None for one split.
        split: a split made earlier, used instead of a new one.

    Raises DataError when the data set is missing, or has lost images of the earlier split.
    """
    spec, data = _opened(ref, data_root)
    if split is None:
        parts = data.parts() if isinstance(data, Pooled) else [data.records()]
        splits = [
            fold_records(part, shares, split_seed, *fold)
            if fold
            else split_records(part, shares, split_seed)
            for part in parts
        ]
        return Domain(ref, spec, data, _joined(splits))
    lost = {key for keys in split.values() for key in keys} - {r.key for r in data.records()}
    if lost:
        raise DataError(
            f"{ref} is not the data set that the run was made with",
            expected=f"all images of its split, such as {min(lost)}",
            found=f"{len(lost)} of them missing",
            hint="point to the same data with --data-root or name:path",
        )
    return Domain(ref, spec, data, {part: list(keys) for part, keys in split.items()})


def _opened(ref: str, data_root: Path | None) -> tuple[DatasetSpec, Dataset]:
    members = parse_pool(ref)
    if len(members) == 1:
        return find_dataset(members[0].name), open_source(members[0], data_root)
    pool = Pooled.open(data_root, ref)
    return pool.card(), pool


def _joined(splits: Sequence[Split]) -> Split:
    """The split of a pool, each member of which is split as it would be alone."""
    return {part: [key for split in splits for key in split[part]] for part in splits[0]}


def require_labels(domain: Domain, *parts: str) -> None:
    """Raises DataError where images on disk that are to be learned from have no label file."""
    records = [record for part in parts for record in domain.part(part)]
    bare = [record for record in records if record.image is not None and not record.labels]
    if bare:
        raise DataError(
            f"{bare[0].image} has no labels",
            expected=f"a label file for each of {len(records)} images to train or validate on",
            found=f"{len(bare)} without, in {domain.ref}",
            hint="add the labels or take the images out; see `histokit data verify`",
        )


def at_mpp(domain: Domain, mpp: float | None) -> tuple[Domain, str]:
    """The domain brought to a pixel size, and a line that says what that means."""
    scaled = replace(domain, mpp=mpp)
    if mpp is None:
        return scaled, ""
    records = domain.data.records()
    unknown = sum(domain.native_mpp(record) is None for record in records)
    factors = [scaled.scale(record) for record in records]
    changed = [factor for factor in factors if factor != 1.0]
    said = []
    if unknown:
        said.append(
            f"pixel size of {unknown} of {len(records)} images unknown, taken as {mpp:.4g} µm/px"
        )
    if changed:
        said.append(
            f"{len(changed)} of {len(records)} images resampled to {mpp:.4g} µm/px "
            f"(factor {min(changed):.3g} to {max(changed):.3g})"
        )
    return scaled, f"{domain.name}: {'; '.join(said)}" if said else ""


def rescale_image(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """An image with both sides times `factor`, smoothed first where it shrinks; one of two values,
    a mask, keeps them.
    """
    if factor == 1.0:
        return image
    size = (*_scaled(image.shape[:2], factor), image.shape[2])
    resized = resize(image, size, order=1, anti_aliasing=factor < 1, preserve_range=True)
    low, high = image.min(), image.max()
    if ((image == low) | (image == high)).all():
        return np.where(resized > (float(low) + float(high)) / 2, high, low)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


def rescale_ids(ids: NDArray[np.int32], factor: float) -> NDArray[np.int32]:
    """An id map with both sides times `factor`, by nearest neighbour."""
    if factor == 1.0:
        return ids
    return resize_ids(ids, _scaled(ids.shape, factor))


def resize_ids(ids: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """An id map of another size, by nearest neighbour; ids are never mixed."""
    rows = ((np.arange(size[0]) + 0.5) * ids.shape[0] / size[0]).astype(np.intp)
    columns = ((np.arange(size[1]) + 0.5) * ids.shape[1] / size[1]).astype(np.intp)
    return ids[np.ix_(rows, columns)]


def _scaled(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    return max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor))
