"""The layout of HoVer-Net's data: parts with ``Images`` and ``Labels`` of the same file names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from histokit.data.kinds import twice
from histokit.data.layout import by_stem, child, files, natural, plain
from histokit.errors import DataError
from histokit.interfaces.dataset import Record
from histokit.interfaces.spec import DatasetSpec

LABELS = (".mat", ".npy")
IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
INSIDE = ("images", "labels", "overlay")

Make = Callable[[str, Path, tuple[Path, ...]], Record | None]
"""From the name of a part, an image and its label files to a record, or None to leave it out."""
Files = tuple[Mapping[str, Path], Mapping[str, Path]]
Inside = Callable[[Path], Files]
"""The images and the labels of a part, by stem."""


@dataclass(frozen=True, slots=True)
class Twins:
    """The records of all parts in natural order, and the label files that have no image."""

    records: tuple[Record, ...]
    orphans: tuple[Path, ...]


def is_twin_part(folder: Path) -> bool:
    """Whether a folder holds ``Images`` and ``Labels``, one of them with files; a part whose name
    says what it is may lack its labels.
    """
    images, labels = child(folder, ("images",)), child(folder, ("labels",))
    if images is None:
        return False
    if labels is not None and files(labels, LABELS):
        return True
    named = part_split(folder.name) is not None or labels is not None
    return named and bool(files(images, IMAGES))


def is_inside_twin(folder: Path) -> bool:
    """Whether a folder is one of those within a part."""
    return plain(folder.name) in INSIDE


def gather(parts: Collection[Path], spec: DatasetSpec, make: Make, inside: Inside) -> Twins:
    """The records of some parts, each read with `inside`. Raises DataError for an image that is
    there twice, and where there is none.
    """
    records: dict[str, Record] = {}
    orphans: list[Path] = []
    for part in parts:
        images, labels = inside(part)
        orphans += [path for stem, path in labels.items() if stem not in images]
        for stem, image in images.items():
            record = make(part.name, image, (labels[stem],) if stem in labels else ())
            if record is None:
                continue
            other = records.setdefault(record.key, record)
            if other is not record:
                raise twice(spec.name, record.key, other.image, record.image)
    if not records:
        places = ", ".join(str(part) for part in parts)
        raise DataError(f"no {spec.name} image in {places}", hint="get the images too")
    ordered = sorted(records.values(), key=lambda record: natural(record.key))
    return Twins(tuple(ordered), tuple(orphans))


def twin_files(part: Path) -> Files:
    """The images and the labels of a part, by stem. Raises DataError for names that clash."""
    images, labels = child(part, ("images",)), child(part, ("labels",))
    return (
        {} if images is None else by_stem(files(images, IMAGES)),
        {} if labels is None else by_stem(files(labels, LABELS)),
    )


def part_split(name: str) -> str | None:
    """``train`` or ``test`` where the name of a part says so, else None."""
    name = plain(name)
    return next((split for split in ("train", "test") if split in name), None)
