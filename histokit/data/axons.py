"""Readers of the BIDS sets of AxonDeepSeg: axons and myelin in SEM, TEM and bright field."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from histokit.data.axon_masks import ROLES, role_of
from histokit.data.axon_set import AxonSet, Contents, in_order, square
from histokit.data.bids import (
    PixelSize,
    bids_images,
    bids_masks,
    has_modality,
    is_inside_bids,
    other_pictures,
    pixel_size,
)
from histokit.data.cards_axons import ADS_BF, ADS_SEM, ADS_TEM, OFFICIAL
from histokit.data.kinds import twice
from histokit.data.layout import check_variant, find_parts, natural
from histokit.interfaces.dataset import Record
from histokit.interfaces.spec import DatasetSpec


@final
@dataclass(frozen=True)
class AdsSem(AxonSet):
    """The SEM set, opened, with the test rat of the published model."""

    spec = ADS_SEM

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(ADS_SEM, variant)
        return cls(_read_bids(root, ADS_SEM, "SEM"), variant)


@final
@dataclass(frozen=True)
class AdsTem(AxonSet):
    """The TEM set, opened, with the validation and test mice of the published model."""

    spec = ADS_TEM

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(ADS_TEM, variant)
        return cls(_read_bids(root, ADS_TEM, "TEM"), variant)


@final
@dataclass(frozen=True)
class AdsBf(AxonSet):
    """The bright-field set, opened, with the test rats of the published model."""

    spec = ADS_BF

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(ADS_BF, variant)
        return cls(_read_bids(root, ADS_BF, "BF"), variant)


def _read_bids(root: Path, spec: DatasetSpec, suffix: str) -> Contents:
    records: dict[str, Record] = {}
    sizes: dict[str, PixelSize] = {}
    orphans: list[Path] = []
    others: list[Path] = []
    for part in find_parts(root, spec, lambda f: has_modality(f, suffix), is_inside_bids):
        images, masks = bids_images(part, suffix), bids_masks(part)
        for stem, image in images.items():
            size = pixel_size(part, image)
            record = _record(spec, image, in_order(masks.get(stem, [])), size)
            if stem in records:
                raise twice(spec.name, stem, records[stem].image, image)
            records[stem] = record
            sizes.update({} if size is None else {stem: size})
        others += other_pictures(part, suffix)
        for stem, paths in masks.items():
            orphans += paths if stem not in images else []
            others += [p for p in paths if stem in images and role_of(p) not in ROLES]
    ordered = sorted(records.values(), key=lambda record: natural(record.key))
    return Contents(tuple(ordered), sizes, tuple(orphans), tuple(others))


def _record(
    spec: DatasetSpec, image: Path, labels: tuple[Path, ...], size: PixelSize | None
) -> Record:
    subject = image.stem.split("_")[0]
    split = OFFICIAL[spec.name].get(subject, "train")
    return Record(image.stem, subject, image, labels, split, square(size))
