"""The features of GeoJSON as QuPath writes and reads them: outlines, kinds and classes."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histokit.errors import DataError
from histokit.io.files import refuse_pipe
from histokit.io.limits import MAX_COORDINATE, MAX_GEOJSON, bounded
from histokit.io.rings import Point

Rings = tuple[tuple[Point, ...], ...]
ALIASES = ("objectType", "object_type", "type")
KINDS = {kind.casefold(): kind for kind in ("detection", "cell", "tile", "tmaCore", "root")}


@dataclass(frozen=True, slots=True)
class Feature:
    """An object of a file.

    Attributes:
        kind: ``detection``, ``cell``, ``tile``, ``tmaCore``, ``root`` or ``annotation``, which
            everything is that says nothing else.
        name: of its class, parts of derived classes joined as in ``Tumor: Positive``; empty
            without a class.
        rings: all rings of its area in (x, y), corner convention; empty for points and lines.
        nucleus: the same of the nucleus of a cell, where it has one.
        id: the positive 31-bit number that histokit keeps in the metadata; 0 for none.
    """

    kind: str
    name: str
    rings: Rings
    nucleus: Rings
    id: int = 0


def read_features(path: Path) -> list[Feature]:
    """The features of a FeatureCollection, a list of features or a single one, gzipped or not.

    Raises DataError, naming `path`, where it cannot be read.
    """
    return [_feature(path, place, value) for place, value in enumerate(_listed(path))]


def _listed(path: Path) -> list[Any]:
    refuse_pipe(path)
    try:
        with path.open("rb") as handle:
            packed = handle.peek(2)[:2] == b"\x1f\x8b"
            with gzip.open(handle) if packed else nullcontext(handle) as text:
                value = json.loads(bounded(path, text, MAX_GEOJSON))
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise DataError(
            f"cannot read {path}",
            expected="a whole GeoJSON file",
            found=f"{type(error).__name__}: {error}",
            hint="export it again",
        ) from error
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        value = value.get("features")
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list):
        raise _broken(path, "a FeatureCollection, features or a feature", type(value).__name__)
    return value


def _feature(path: Path, place: int, value: Any) -> Feature:
    where = f"feature {place} of {path}"
    if not isinstance(value, dict) or "geometry" not in value:
        raise _broken(where, "a feature with a geometry", _short(value))
    properties = value.get("properties") or {}
    if not isinstance(properties, dict):
        raise _broken(where, "properties by name", _short(properties))
    said = next((properties[name] for name in ALIASES if name in properties), "")
    nucleus = value.get("nucleusGeometry")
    return Feature(
        KINDS.get(str(said).casefold(), "annotation"),
        _class(where, properties.get("classification")),
        _rings(where, value["geometry"]),
        () if nucleus is None else _rings(where, nucleus),
        _id(properties.get("metadata")),
    )


def _id(metadata: Any) -> int:
    text = str(metadata.get("id", "")) if isinstance(metadata, dict) else ""
    return int(text) if text.isdecimal() and int(text) < 2**31 else 0


def _class(where: str, value: Any) -> str:
    """The name of a classification, which is a string, or holds a name or names."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("names") or ""
    if isinstance(value, list):
        value = ": ".join(str(name) for name in value)
    if value is not None and not isinstance(value, str):
        raise _broken(where, "a class by name", _short(value))
    return "" if value in (None, "Unclassified") else value


def _rings(where: str, geometry: Any) -> Rings:
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind is None:
        raise _broken(where, "a geometry with its type", _short(geometry))
    if kind not in ("Polygon", "MultiPolygon"):
        return ()
    try:
        parts = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
        rings = tuple(
            tuple((float(x), float(y)) for x, y, *_ in ring) for part in parts for ring in part
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _broken(where, "rings of [x, y]", f"{type(error).__name__}: {error}") from error
    if not all(abs(value) <= MAX_COORDINATE for ring in rings for point in ring for value in point):
        raise _broken(where, f"coordinates up to {MAX_COORDINATE:.0e}", "one beyond, or NaN")
    return rings


def _broken(where: object, expected: str, found: str) -> DataError:
    return DataError(f"cannot read {where}", expected=expected, found=found, hint="export it again")


def _short(value: Any) -> str:
    return repr(value)[:60]
