"""Objects as QuPath GeoJSON: exact outlines, classes and measurements, and back to an id map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.io.features import Feature, read_features
from histokit.io.json_stream import json_stream, json_text
from histokit.io.rings import Ids, Part, Point, Ring, outlines, rasterise

NAMESPACE = uuid5(NAMESPACE_URL, "histokit/geojson")
DEFAULT_CLASS = "Nucleus"
COLOURS = (
    (0, 158, 115),
    (213, 94, 0),
    (0, 114, 178),
    (230, 159, 0),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
)
"""Colours of the classes in turn, by Okabe and Ito: told apart by colour-blind readers too."""


def write_geojson(
    path: Path,
    instances: Instances,
    *,
    origin: tuple[float, float] = (0, 0),
    scale: float = 1.0,
    mpp: float | None = None,
    class_names: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Writes one detection for each object, outlined along its pixel edges.

    Args:
        path: compressed when the name ends in ``.gz``. The same objects give the same bytes.
        instances: the objects; ids may have gaps and are kept as ``metadata.id``.
        origin: (x, y) of the map's upper left corner, in pixels of the file (level 0).
        scale: pixels of the file a pixel of the map.
        mpp: micrometres a pixel of the map; adds areas in µm².
        class_names: names of the classes 1, 2, …; an object without a class takes the first.
        provenance: what made the objects; the member ``histokit`` of the collection.

    A point is `origin` + `scale` x pixel corner, to 2 decimals. "Area px" counts pixels of the
    file. Raises DataError for negative ids and for scores that are no numbers.
    """
    if instances.ids.size and int(instances.ids.min()) < 0:
        raise DataError(
            f"the objects for {path} cannot be outlined",
            expected="ids from 0",
            found=f"an id of {instances.ids.min()}",
        )
    about = {"mpp": mpp, "class_names": list(class_names), **(provenance or {})}
    side = None if mpp is None else (mpp, mpp)
    with collection(path, about) as add:
        for feature in features(instances, origin, (scale, scale), side, class_names):
            add(feature)


@contextmanager
def collection(path: Path, about: Mapping[str, Any]) -> Iterator[Callable[[str], None]]:
    """A function that adds the text of a feature to a file, which is there when the block ends
    well. Nothing is kept in memory.

    Args:
        path: compressed when the name ends in ``.gz``.
        about: the member ``histokit`` of the collection.
    """
    head = '{"type":"FeatureCollection","histokit":' + json_text(about) + ',"features":['
    with json_stream(path, head, "]}") as add:
        yield add


def features(
    instances: Instances,
    origin: tuple[float, float],
    scale: tuple[float, float],
    mpp: tuple[float, float] | None,
    class_names: Sequence[str],
    *,
    before: int = 0,
) -> Iterator[str]:
    """The text of each feature, in ascending order of the ids.

    The arguments are those of `write_geojson`, sizes along (x, y); `before` is added to the ids.
    """
    height, width = instances.ids.shape
    xs = ["[" + _number(origin[0] + scale[0] * x) + "," for x in range(width + 1)]
    ys = [_number(origin[1] + scale[1] * y) + "]" for y in range(height + 1)]
    areas = np.bincount(instances.ids.ravel(), minlength=1)
    classified: dict[int, str] = {}
    for key, parts in outlines(instances.ids):
        kind = instances.classes.get(key, 1 if class_names else 0)
        if kind not in classified:
            classified[kind] = json_text(_classification(kind, class_names))
        pixels = int(areas[key])
        measured = {"Area px": round(pixels * scale[0] * scale[1], 2)}
        if mpp is not None:
            measured["Area µm^2"] = round(pixels * mpp[0] * mpp[1], 4)
        if key in instances.scores:
            measured["Probability"] = _score(key, instances.scores[key])
        geometry = _geometry(parts, xs, ys)
        yield (
            f'{{"type":"Feature","id":"{_uuid(geometry)}","geometry":{geometry},'
            f'"properties":{{"objectType":"detection","classification":{classified[kind]},'
            f'"measurements":{json_text(measured)},"metadata":{{"id":"{key + before}"}}}}}}'
        )


def _uuid(name: str) -> str:
    """What ``uuid5(NAMESPACE, name)`` is as text (RFC 9562, section 5.5), but faster."""
    text = sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def _number(value: float) -> str:
    """A coordinate to 2 decimals, whole numbers without any."""
    value = round(float(value), 2)
    return str(int(value)) if value.is_integer() else repr(value)


def _score(key: int, score: float) -> float:
    """A probability to 4 decimals. Raises DataError when it is no number."""
    if not isfinite(score):
        raise DataError(
            f"object {key} has no score", expected="a probability in 0..1", found=repr(score)
        )
    return round(float(score), 4)


def _classification(kind: int, class_names: Sequence[str]) -> dict[str, Any]:
    """Name and colour of a class; QuPath wants the colour wherever there is a name."""
    if 1 <= kind <= len(class_names):
        name = class_names[kind - 1]
    else:
        name = f"Class {kind}" if kind else DEFAULT_CLASS
    return {"name": name, "color": COLOURS[max(kind - 1, 0) % len(COLOURS)]}


def _geometry(parts: Sequence[Part], xs: Sequence[str], ys: Sequence[str]) -> str:
    """A Polygon, or a MultiPolygon where the object has several parts."""
    polygons = ["[" + ",".join(_ring(ring, xs, ys) for ring in part) + "]" for part in parts]
    if len(polygons) == 1:
        return '{"type":"Polygon","coordinates":' + polygons[0] + "}"
    return '{"type":"MultiPolygon","coordinates":[' + ",".join(polygons) + "]}"


def _ring(ring: Ring, xs: Sequence[str], ys: Sequence[str]) -> str:
    """A closed ring; `xs` and `ys` hold the text of each corner's coordinates."""
    points = [xs[x] + ys[y] for x, y in ring]
    return "[" + ",".join(points) + "," + points[0] + "]"


def read_geojson(
    path: Path,
    shape: tuple[int, int],
    *,
    origin: tuple[float, float] = (0, 0),
    scale: float = 1.0,
) -> Ids:
    """The id map, int32 of `shape` (rows, columns), of a file of polygons.

    Takes a FeatureCollection, a list of features or a single one, compressed or not. A pixel
    belongs to the polygon that its centre lies in; the first keeps it where polygons overlap.
    The ids are those that `write_geojson` left, or 1..N in the order of the file where any is
    missing or doubled. `origin` and `scale` are those of `write_geojson`.

    Raises DataError where the file cannot be read or holds anything but polygons.
    """
    return drawn(path, read_features(path), shape, origin=origin, scale=scale)


def drawn(
    path: Path,
    features: Sequence[Feature],
    shape: tuple[int, int],
    *,
    origin: tuple[float, float] = (0, 0),
    scale: float = 1.0,
) -> Ids:
    """The id map of the features of a file, as `read_geojson` gives it, by `keys_of` them.

    Raises DataError, naming `path`, where one has no area.
    """
    for place, feature in enumerate(features):
        if not feature.rings:
            raise DataError(
                f"feature {place} of {path} has no area",
                expected="a Polygon or MultiPolygon",
                hint="export nuclei as polygons, without points and lines",
            )
    moved = ([_moved(ring, origin, scale) for ring in feature.rings] for feature in features)
    return rasterise(zip(keys_of(features), moved, strict=True), shape)


def keys_of(features: Sequence[Feature]) -> Sequence[int]:
    """The ids of features: their own, or 1..N where any is missing or doubled."""
    ids = [feature.id for feature in features]
    return ids if all(ids) and len(set(ids)) == len(ids) else range(1, len(ids) + 1)


def _moved(ring: Iterable[Point], origin: tuple[float, float], scale: float) -> list[Point]:
    """A ring in pixels of the map."""
    return [((x - origin[0]) / scale, (y - origin[1]) / scale) for x, y in ring]
