"""COCO's JSON files, checked: images, annotations by image, and categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from histokit.errors import DataError
from histokit.io.files import read_json

Ring = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Listed:
    """An image as a file lists it: the name it gives, and its rows and columns."""

    name: str
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Annotation:
    """An object: its category, and its outline as rings, as run lengths, or as neither.

    The rings are the parts of the object, in (x, y), corner convention; none is a hole.
    """

    category: int
    rings: tuple[Ring, ...]
    runs: Mapping[str, Any] | None
    crowd: bool


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What one file holds. Images and annotations are by image id, as text; `annotations` is None
    in a file of images alone.
    """

    path: Path
    images: Mapping[str, Listed]
    annotations: Mapping[str, Sequence[Annotation]] | None
    categories: Mapping[int, str]


def read_annotations(path: Path) -> CocoFile:
    """A file of images, annotations and categories. Raises DataError, naming `path` and where."""
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("images"), list):
        raise broken(path, 'a list "images"', type(value).__name__)
    images = dict(_listed(path, image) for image in value["images"])
    if len(images) < len(value["images"]):
        raise broken(path, "an id for each image", "one id twice")
    categories = _categories(path, value.get("categories") or [])
    if "annotations" not in value:
        return CocoFile(path, images, None, categories)
    annotations: dict[str, list[Annotation]] = defaultdict(list)
    for entry in _objects(path, "annotations", value["annotations"]):
        number = str(entry.get("image_id"))
        if number not in images:
            raise broken(path, "annotations of listed images", f"image {number}")
        annotations[number].append(_annotation(path, entry))
    return CocoFile(path, images, dict(annotations), categories)


def broken(path: object, expected: str, found: object) -> DataError:
    """The error that a file is not of COCO's form."""
    return DataError(
        f"cannot read {path}",
        expected=expected,
        found=str(found),
        hint="write the file again; see cocodataset.org, 'Data format'",
    )


def _objects(path: Path, name: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise broken(path, f'a list "{name}" of objects', type(value).__name__)
    return value


def _listed(path: Path, image: Any) -> tuple[str, Listed]:
    """The id of an image, as text, and what is said of it."""
    try:
        shape = int(image["height"]), int(image["width"])
        return str(image["id"]), Listed(str(image["file_name"]), shape)
    except (KeyError, TypeError, ValueError) as error:
        raise broken(path, "id, file_name, height and width of each image", repr(error)) from error


def _categories(path: Path, entries: Any) -> dict[int, str]:
    """The name of each category, by rising id."""
    try:
        found = {int(entry["id"]): str(entry["name"]) for entry in entries}
    except (KeyError, TypeError, ValueError) as error:
        raise broken(path, "id and name of each category", repr(error)) from error
    return dict(sorted(found.items()))


def _annotation(path: Path, entry: Mapping[str, Any]) -> Annotation:
    where = f"annotation {entry.get('id')} of {path}"
    category, outline = entry.get("category_id"), entry.get("segmentation") or []
    if not isinstance(category, int):
        raise broken(where, "a category_id", category)
    crowd = bool(entry.get("iscrowd"))
    if isinstance(outline, dict):
        return Annotation(category, (), outline, crowd)
    if not isinstance(outline, list):
        raise broken(where, "polygons or run lengths", type(outline).__name__)
    return Annotation(category, tuple(_ring(where, flat) for flat in outline), None, crowd)


def _ring(where: str, flat: Any) -> Ring:
    numbers = isinstance(flat, list) and all(isinstance(n, int | float) for n in flat)
    if not numbers or len(flat) < 6 or len(flat) % 2 or not all(map(isfinite, flat)):
        raise broken(where, "polygons [x1, y1, x2, y2, x3, y3, …]", repr(flat)[:60])
    return list(zip(flat[0::2], flat[1::2], strict=True))
