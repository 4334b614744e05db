"""Label files of any ending beside the images that they belong to, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from histokit.data.layout import by_stem, child, files, find_parts, listing, natural
from histokit.data.pairing import IMAGE_FOLDERS
from histokit.errors import DataError
from histokit.interfaces.dataset import Record
from histokit.interfaces.spec import DatasetSpec

OVERLAY = "overlay"
"""A folder of pictures with outlines drawn in, which are no images to learn from."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where labels lie: the folders to look in, and what their names end in, longest first."""

    folders: Sequence[str]
    endings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a folder holds.

    Attributes:
        root: the folder.
        records: the images in natural order, each its own group, with their label file.
        orphans: label files that belong to no image.
    """

    root: Path
    records: tuple[Record, ...]
    orphans: tuple[Path, ...]


def find_beside(root: Path, spec: DatasetSpec, layout: Layout) -> Beside:
    """The images under `root` with their labels. Raises DataError, naming the expected tree, where
    there are no images, and naming the files where a name could mean two things.
    """
    inner = {name.casefold() for name in (*IMAGE_FOLDERS, *layout.folders)}
    parts = find_parts(
        root,
        spec,
        lambda folder: folder.name.casefold() != OVERLAY and bool(_image_files(folder)),
        lambda folder: folder.name.casefold() in inner and bool(_image_files(folder.parent)),
    )
    if len(parts) > 1:
        raise DataError(
            f"several folders of images are in {root}",
            expected="one",
            found=", ".join(str(part) for part in parts[:5]),
            hint="name one of them",
        )
    images = by_stem(_image_files(parts[0]))
    labels, orphans = _matched(parts[0], layout, images)
    records = tuple(
        Record(stem, stem, images[stem], labels.get(stem, ()))
        for stem in sorted(images, key=natural)
    )
    return Beside(parts[0], records, orphans)


def _image_files(folder: Path) -> list[Path]:
    """The images of a folder: in its folder of images, or else in itself."""
    inside = child(folder, IMAGE_FOLDERS)
    return (files(inside) if inside is not None else []) or files(folder)


def _matched(
    root: Path, layout: Layout, images: Mapping[str, Path]
) -> tuple[dict[str, tuple[Path, ...]], tuple[Path, ...]]:
    """The label of each image, from the first folder that has it, and what is left over."""
    found: dict[str, tuple[Path, ...]] = {}
    orphans: list[Path] = []
    for folder in _label_folders(root, layout, images):
        here: dict[str, Path] = {}
        for path in listing(folder):
            ending = next((end for end in layout.endings if path.name.lower().endswith(end)), None)
            if ending is None or not path.is_file():
                continue
            name = path.name[: -len(ending)]
            stem = name if name in images else Path(name).stem
            other = here.setdefault(stem, path)
            if other is not path:
                raise _ambiguous(images.get(stem, folder), other, path)
        orphans += [path for stem, path in here.items() if stem not in images]
        found = {stem: (path,) for stem, path in here.items() if stem in images} | found
    return found, tuple(orphans)


def _label_folders(root: Path, layout: Layout, images: Mapping[str, Path]) -> list[Path]:
    named = [child(root, (name,)) for name in layout.folders]
    beside = {path.parent for path in images.values()}
    return [*filter(None, named), *sorted(beside | {root})]


def _ambiguous(image: Path, first: Path, second: Path) -> DataError:
    return DataError(
        f"it is not clear what belongs to {image}",
        expected="one label file of its name in a folder",
        found=f"{first} and {second}",
        hint="rename or remove one of them",
    )
