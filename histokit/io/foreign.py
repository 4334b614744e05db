"""Predictions as files: those of HoVer-Net, label images, QuPath GeoJSON and our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from skimage import measure

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.io.features import read_features
from histokit.io.geojson import DEFAULT_CLASS, drawn, keys_of
from histokit.io.hovernet_files import fill, read_hovernet_json, read_hovernet_mat
from histokit.io.images import read_mask
from histokit.io.labels import read_label_notes, read_label_tiff
from histokit.io.rings import Ids

Kind: TypeAlias = Literal["histokit", "hovernet-mat", "hovernet-json", "label", "geojson"]
SUFFIXES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "histokit": (".tif",),
        "hovernet-mat": (".mat",),
        "geojson": (".geojson.gz", ".geojson", ".json.gz", ".json"),
        "hovernet-json": (".json",),
        "label": (".tiff", ".tif", ".png"),
    }
)
"""How the files of each kind end."""
_UNNAMED = frozenset({"", "none", "nolabel", "nolabe", "unclassified", DEFAULT_CLASS.casefold()})
"""Class names that say that there is none."""


def stem(path: Path) -> str:
    """A file's name without its ending, the double ones too."""
    name = path.name
    endings = sorted({e for ends in SUFFIXES.values() for e in ends}, key=len, reverse=True)
    found = next((ending for ending in endings if name.lower().endswith(ending)), path.suffix)
    return name.removesuffix(name[len(name) - len(found) :]) if found else name


def kind_of(path: Path) -> Kind | None:
    """What a file is by its name, and for JSON by how it begins; None for another file.

    Label images of histokit are told by `is_ours`. Raises DataError where a file cannot be opened.
    """
    name = path.name.lower()
    if name.endswith(".mat"):
        return "hovernet-mat"
    if name.endswith(".json"):
        return "hovernet-json" if b'"nuc"' in _head(path) else "geojson"
    if name.endswith(SUFFIXES["geojson"]):
        return "geojson"
    return "label" if name.endswith(SUFFIXES["label"]) else None


def is_ours(path: Path) -> bool:
    """Whether a label image was written by histokit, whose notes may hold classes; False where
    that cannot be read.
    """
    with suppress(DataError):  # who reads the ids is told why
        return path.suffix.lower() in SUFFIXES["histokit"] and read_label_notes(path) is not None
    return False


def read_prediction(
    path: Path, kind: Kind, shape: tuple[int, int], class_names: Sequence[str] = ()
) -> Instances:
    """The objects of a file; ids may have gaps.

    Args:
        path: the file.
        kind: what it is.
        shape: rows and columns of the image it was made for.
        class_names: names of the classes 1, 2, …, by which GeoJSON names them; files of HoVer-Net
            number them. Without names no classes are read.

    Raises DataError, naming `path`, where it cannot be read, is of an image of another size, or
    names another class.
    """
    ids, classes = _read(path, kind, shape, class_names)
    if ids.shape != shape:
        raise _other_size(path, shape, f"{ids.shape[0]} x {ids.shape[1]} pixels")
    return Instances(ids, classes if class_names else {})


def _read(
    path: Path, kind: Kind, shape: tuple[int, int], class_names: Sequence[str]
) -> tuple[Ids, Mapping[int, int]]:
    if kind == "hovernet-mat":
        return read_hovernet_mat(path)
    if kind == "hovernet-json":
        nuclei = read_hovernet_json(path)
        _check_inside(path, list(nuclei.rings.values()), shape, margin=0)
        return fill(nuclei.rings.items(), shape), nuclei.types
    if kind == "geojson":
        return _geojson(path, shape, class_names)
    if kind == "histokit":
        return read_label_tiff(path), _noted_classes(path)
    return _label(path), {}


def _label(path: Path) -> Ids:
    """An id map. Raises DataError for what looks like a binary mask, whose objects nobody told
    apart.
    """
    ids = read_mask(path)
    values = np.unique(ids[ids > 0])
    if values.size == 1 and measure.label(ids > 0, connectivity=2).max() > 1:
        raise DataError(
            f"{path} looks like a binary mask",
            expected="a map of ids, another one for each object, in 16 or 32 bits",
            found=f"the value {values[0]} in several pieces",
            hint="label the mask by connected components first",
        )
    return ids


def _noted_classes(path: Path) -> dict[int, int]:
    """The classes in the notes of `write_label_tiff`, by id. Raises DataError."""
    classes = (read_label_notes(path) or {}).get("classes", {})
    try:
        return {int(key): int(kind) for key, kind in classes.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"cannot read the classes of {path}",
            expected="a class for each id",
            found=f"{type(error).__name__}: {error}",
            hint="predict the image again",
        ) from error


def _head(path: Path) -> bytes:
    """The first bytes of a file. Raises DataError."""
    try:
        with path.open("rb") as file:
            return file.read(256)
    except OSError as error:
        raise DataError(f"cannot read {path}", found=error.strerror or str(error)) from error


def _geojson(
    path: Path, shape: tuple[int, int], class_names: Sequence[str]
) -> tuple[Ids, dict[int, int]]:
    """The id map and the classes of a GeoJSON file."""
    features = read_features(path)
    ids = drawn(path, features, shape)
    rings = [np.array(ring) for feature in features for ring in feature.rings if ring]
    _check_inside(path, rings, shape, margin=1)
    if not class_names:
        return ids, {}
    known = {name.casefold(): number for number, name in enumerate(class_names, start=1)}
    kinds = [_class(path, feature.name, known) for feature in features]
    return ids, dict(zip(keys_of(features), kinds, strict=True))


def _class(path: Path, name: str, known: Mapping[str, int]) -> int:
    """The number of a feature's class, 0 where it has none."""
    if name.casefold() in known:
        return known[name.casefold()]
    if name.casefold() in _UNNAMED:
        return 0
    raise DataError(
        f"{path} names a class that the data set does not have",
        expected="one of " + ", ".join(known),
        found=name,
        hint="rename the classes, or score objects alone with a variant without classes",
    )


def _check_inside(
    path: Path, rings: Sequence[np.ndarray], shape: tuple[int, int], *, margin: int
) -> None:
    """Raises DataError where outlines reach beyond the image: they are of another one.

    `margin` is 0 for pixel centres and 1 for pixel corners.
    """
    if not rings:
        return
    points = np.concatenate(rings)
    x, y = points.max(axis=0)
    if x > shape[1] - 1 + margin or y > shape[0] - 1 + margin or points.min() < 0:
        low = points.min(axis=0)
        found = f"outlines from row {low[1]:g}, column {low[0]:g} to row {y:g}, column {x:g}"
        raise _other_size(path, shape, found)


def _other_size(path: Path, shape: tuple[int, int], found: str) -> DataError:
    return DataError(
        f"{path} is not of this image",
        expected=f"{shape[0]} x {shape[1]} pixels, those of the truth",
        found=found,
        hint="predict at the pixel size of the data set, without cropping",
    )
