"""Files of the BIDS microscopy layout: images, their masks, and side-cars that many may share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from histokit.data.layout import IMAGES, by_stem, child, listing, plain, subfolders
from histokit.errors import DataError
from histokit.io.files import read_json

MASK = re.compile(r"(?P<image>.+)_seg-(?P<role>[A-Za-z]+)-manual")
MICROMETRES: Mapping[str, float] = {"um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 0.001, "mm": 1000.0}


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Micrometres a pixel, and the file that says so."""

    x: float
    y: float
    source: Path


def has_modality(folder: Path, suffix: str) -> bool:
    """Whether a folder is a BIDS data set with images of a modality, such as ``SEM``."""
    return any(_images(subject, suffix) for subject in _subjects(folder))


def is_inside_bids(folder: Path) -> bool:
    """Whether a folder is a subject's, or the one of the masks."""
    return folder.name.startswith("sub-") or plain(folder.name) == "derivatives"


def bids_images(root: Path, suffix: str) -> dict[str, Path]:
    """The images of a modality by stem, also links whose file is not here.

    Raises DataError for names that clash.
    """
    return by_stem(path for subject in _subjects(root) for path in _images(subject, suffix))


def bids_masks(root: Path) -> dict[str, list[Path]]:
    """The masks in ``derivatives/labels``, by the stem of their image."""
    derived = child(root, ("derivatives",))
    labels = None if derived is None else child(derived, ("labels",))
    found: dict[str, list[Path]] = {}
    for subject in _subjects(labels) if labels is not None else []:
        for path in _pictures(subject):
            match = MASK.fullmatch(path.stem)
            found.setdefault(match["image"] if match else path.stem, []).append(path)
    return found


def other_pictures(root: Path, suffix: str) -> list[Path]:
    """The image files of subjects that are of another modality, or not named by the rules."""
    subjects = [(_pictures(subject), _images(subject, suffix)) for subject in _subjects(root)]
    return [path for pictures, images in subjects for path in pictures if path not in images]


def pixel_size(root: Path, image: Path) -> PixelSize | None:
    """The pixel size of an image, from its side-cars; None where none says it.

    A side-car of fewer entities, or in a folder above, holds for many images; the most specific
    wins (the inheritance principle of BIDS). Raises DataError, naming the file, for a side-car
    that cannot be read.
    """
    merged: dict[str, tuple[Any, Path]] = {}
    for path in _sidecars(root, image):
        content = read_json(path)
        if not isinstance(content, dict):
            raise _broken(path, type(content).__name__)
        merged.update({key: (value, path) for key, value in content.items()})
    if "PixelSize" not in merged:
        return None
    value, source = merged["PixelSize"]
    unit, _ = merged.get("PixelSizeUnits", ("um", source))
    return _size(value, unit, source)


def _size(value: Any, unit: Any, source: Path) -> PixelSize:
    sides = value if isinstance(value, list) else [value, value]
    factor = MICROMETRES.get(str(unit))
    whole = all(
        isinstance(side, int | float) and not isinstance(side, bool) and isfinite(side) and side > 0
        for side in sides
    )
    if factor is None or len(sides) < 2 or not whole:
        raise _broken(source, f"PixelSize {value} in {unit!r}")
    return PixelSize(sides[0] * factor, sides[1] * factor, source)


def _broken(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} is not a side-car that can be trusted",
        expected='"PixelSize": [x, y] above 0, with "PixelSizeUnits" of um, nm or mm',
        found=found,
        hint="get the file again, or correct it",
    )


def _sidecars(root: Path, image: Path) -> list[Path]:
    """The side-cars of an image, the most general first."""
    *entities, suffix = image.stem.split("_")
    found: list[Path] = []
    for folder in (root, image.parent.parent, image.parent):
        here = [path for path in listing(folder) if path.suffix.lower() == ".json"]
        parts = {path: path.stem.split("_") for path in here}
        fits = [p for p in here if parts[p][-1] == suffix and set(parts[p][:-1]) <= set(entities)]
        found += sorted(fits, key=lambda path: len(parts[path]))
    return found


def _subjects(folder: Path) -> list[Path]:
    return [sub for sub in subfolders(folder) if sub.name.startswith("sub-")]


def _images(subject: Path, suffix: str) -> list[Path]:
    return [path for path in _pictures(subject) if path.stem.endswith(f"_{suffix}")]


def _pictures(subject: Path) -> list[Path]:
    """The image files of a subject; unlike `files` this keeps links that lead nowhere."""
    folder = child(subject, ("micr",))
    found = [] if folder is None else listing(folder)
    return [path for path in found if path.suffix.lower() in IMAGES]
