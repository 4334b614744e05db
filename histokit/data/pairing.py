"""Which mask belongs to which image, by file name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from histokit.data.layout import IMAGES, by_stem, child, files, listing, plain
from histokit.errors import DataError

IMAGE_FOLDERS = (
    "images",
    "image",
    "img",
    "imgs",
    "Tissue Images",
    "original",
    "patches",
)
MASK_FOLDERS = ("masks", "mask", "labels", "label", "gt", "Ground Truth", "annotations")
SUFFIXES = ("_bin_mask", "_masks", "_mask", "_labels", "_label", "_gt", "_seg", "_inst")


@dataclass(frozen=True, slots=True)
class Pairs:
    """The images by stem, the mask of each (where it has one), and what belongs to nothing."""

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    orphans: tuple[Path, ...]
    others: tuple[Path, ...]


def is_inside(folder: Path) -> bool:
    """Whether `folder` is the image or mask folder of a pair of folders."""
    names = {plain(name) for name in IMAGE_FOLDERS + MASK_FOLDERS}
    if plain(folder.name) not in names:
        return False
    both = child(folder.parent, IMAGE_FOLDERS), child(folder.parent, MASK_FOLDERS)
    return None not in both


def is_part(folder: Path) -> bool:
    """Whether `folder` holds images itself or in a subfolder of a usual name."""
    images = child(folder, IMAGE_FOLDERS)
    return bool(files(folder)) or (images is not None and bool(files(images)))


def pair(folder: Path) -> Pairs:
    """The pairs of a folder that `is_part`.

    Raises DataError, naming the files, where a name could mean two things.
    """
    image_folder = child(folder, IMAGE_FOLDERS)
    mask_folder = child(folder, MASK_FOLDERS)
    if image_folder is not None and files(image_folder):
        folders = [image_folder] if mask_folder is None else [image_folder, mask_folder]
    else:
        folders = [folder] if mask_folder is None else [folder, mask_folder]
    if len(folders) == 2:
        images, masks = by_stem(files(folders[0])), by_stem(files(folders[1]))
    else:
        images, masks = _apart(by_stem(files(folders[0])))
    matched, orphans = _match(images, masks)
    return Pairs(images, matched, orphans, _others(folder, folders))


def _apart(found: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and masks that lie in one folder: a mask is named as an image and a suffix."""
    masks = {stem: path for stem, path in found.items() if _bases(stem, found)}
    images = {stem: path for stem, path in found.items() if stem not in masks}
    return images, masks


def _bases(stem: str, known: Mapping[str, Path]) -> list[str]:
    """The known stems that `stem` extends by a suffix."""
    bases = (stem[: -len(end)] for end in SUFFIXES if stem.casefold().endswith(end))
    return [base for base in bases if base in known]


def _match(
    images: Mapping[str, Path], masks: Mapping[str, Path]
) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The mask of each image, and the masks without one."""
    claims: dict[str, list[Path]] = defaultdict(list)
    orphans: list[Path] = []
    for stem, mask in masks.items():
        bases = [stem] if stem in images else _bases(stem, images)
        if len(bases) > 1:
            raise _ambiguous(mask, [images[base] for base in bases])
        if bases:
            claims[bases[0]].append(mask)
        else:
            orphans.append(mask)
    for base, claimants in claims.items():
        if len(claimants) > 1:
            raise _ambiguous(images[base], claimants)
    return {base: claimants[0] for base, claimants in claims.items()}, tuple(orphans)


def _ambiguous(path: Path, others: list[Path]) -> DataError:
    return DataError(
        f"it is not clear what belongs to {path}",
        expected="one image and one mask of a name",
        found=" and ".join(str(other) for other in others),
        hint="rename or remove all but one",
    )


def _others(root: Path, folders: list[Path]) -> tuple[Path, ...]:
    """Files that are not read: of another ending, or beside the folders that are read."""
    found = [path for folder in folders for path in listing(folder) if path.is_file()]
    unread = [path for path in found if path.suffix.lower() not in IMAGES]
    return tuple(unread + ([] if root in folders else files(root)))
