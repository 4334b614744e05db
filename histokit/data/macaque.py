"""Reader of the macaque set of AxonDeepSeg: corrected masks in a folder beside each image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Self, final

from histokit.data.axon_masks import ROLES, role_of
from histokit.data.axon_set import AxonSet, Contents, in_order, square
from histokit.data.bids import PixelSize
from histokit.data.cards_axons import ADS_MACAQUE
from histokit.data.kinds import twice
from histokit.data.layout import (
    IMAGES,
    by_stem,
    check_variant,
    find_parts,
    listing,
    natural,
    subfolders,
)
from histokit.errors import DataError
from histokit.interfaces.dataset import Record

SAMPLE = re.compile(r"sample\d+")
IMAGE = re.compile(r"\d+")
SIZE = "pixel_size_in_micrometer.txt"


@final
@dataclass(frozen=True)
class AdsMacaque(AxonSet):
    """The macaque set, opened. There are no official parts."""

    spec = ADS_MACAQUE

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """The data set under `root`; see the card for variants. Raises DataError."""
        variant = check_variant(ADS_MACAQUE, variant)
        records: dict[str, Record] = {}
        sizes: dict[str, PixelSize] = {}
        orphans: list[Path] = []
        others: list[Path] = []
        parts = find_parts(root, ADS_MACAQUE, _is_part, _is_sample)
        for sample in (sub for part in parts for sub in subfolders(part) if _is_sample(sub)):
            orphans += _without_image(sample)
            for image in _images(sample):
                masks, size = _beside(image)
                key = f"{sample.name}-{image.stem}"
                if key in records:
                    raise twice(ADS_MACAQUE.name, key, records[key].image, image)
                labels = in_order(masks)
                records[key] = Record(key, sample.name, image, labels, None, square(size))
                sizes.update({} if size is None else {key: size})
                others += [path for path in masks if role_of(path) not in ROLES]
        ordered = sorted(records.values(), key=lambda record: natural(record.key))
        return cls(Contents(tuple(ordered), sizes, tuple(orphans), tuple(others)), variant)


def _is_sample(folder: Path) -> bool:
    return SAMPLE.fullmatch(folder.name) is not None and bool(_images(folder))


def _is_part(folder: Path) -> bool:
    return any(_is_sample(sub) for sub in subfolders(folder))


def _images(sample: Path) -> list[Path]:
    """The images of a sample: those whose name is a number."""
    pictures = [path for path in listing(sample) if path.suffix.lower() in IMAGES]
    return list(by_stem(path for path in pictures if IMAGE.fullmatch(path.stem)).values())


def _without_image(sample: Path) -> list[Path]:
    """The folders of masks of a sample that belong to no image."""
    numbers = {image.stem for image in _images(sample)}
    folders = [folder for folder in subfolders(sample) if "_correct" in folder.name]
    return [folder for folder in folders if folder.name.split("_")[0] not in numbers]


def _beside(image: Path) -> tuple[list[Path], PixelSize | None]:
    """The masks of an image and its pixel size, from ``NN_corrections``, also misspelt."""
    folders = [f for f in subfolders(image.parent) if f.name.startswith(f"{image.stem}_correct")]
    if len(folders) > 1:
        raise DataError(
            f"it is not clear what belongs to {image}",
            expected=f"one folder {image.stem}_corrections",
            found=" and ".join(folder.name for folder in folders),
            hint="move the others elsewhere",
        )
    if not folders:
        return [], None
    masks = [path for path in listing(folders[0]) if path.suffix.lower() in IMAGES]
    text = folders[0] / SIZE
    return masks, _read_size(text) if text.is_file() else None


def _read_size(path: Path) -> PixelSize:
    try:
        text = path.read_text(encoding="utf-8").strip()
        value = float(text)
    except (OSError, ValueError) as error:
        raise _no_size(path, f"{type(error).__name__}: {error}") from error
    if not isfinite(value) or value <= 0:
        raise _no_size(path, text)
    return PixelSize(value, value, path)


def _no_size(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} does not say a pixel size",
        expected="micrometres a pixel, one number above 0",
        found=found,
        hint="correct the file",
    )
