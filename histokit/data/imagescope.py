"""Outlines from Aperio ImageScope XML files, and drawing them as numbered objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import shapely
from numpy.typing import NDArray
from skimage import draw

from histokit.errors import DataError
from histokit.io.limits import MAX_DRAWN

polygon: Any = draw.polygon  # scikit-image declares no types
LEAST_MPP, MOST_MPP = 0.05, 20.0


@dataclass(frozen=True, slots=True)
class Outlines:
    """The regions of one file, in its order.

    Attributes:
        rings: float64 [V 2] each, (x, y) in pixels, the first vertex not repeated at the end; the
            corner of the first pixel is (0, 0).
        short: how many regions had fewer than three vertices and are not in `rings`.
    """

    rings: tuple[NDArray[np.float64], ...]
    short: int


def read_mpp(path: Path) -> float | None:
    """The `MicronsPerPixel` of the file, None where it is absent or absurd. Raises DataError."""
    head = BytesIO(_text(path, 1 << 16))
    try:
        for _, element in ElementTree.iterparse(head, events=("start",)):
            return _mpp(element)
    except ElementTree.ParseError as error:
        raise _broken(path, str(error)) from error
    return None


def read_outlines(path: Path) -> Outlines:
    """All regions of all annotations of the file, ordinary or "negative". Raises DataError."""
    rings: list[NDArray[np.float64]] = []
    short = 0
    for region in _root(path).iter("Region"):
        ring = _ring(path, region)
        if len(ring) < 3:
            short += 1
        else:
            rings.append(ring)
    return Outlines(tuple(rings), short)


def paint(outlines: Outlines, shape: tuple[int, int]) -> NDArray[np.int32]:
    """The regions as ids, int32 [H W], numbered by their order from 1.

    A pixel belongs to a region when its centre does, and to the first of several. Parts outside
    the frame are cut off; ids of regions without a pixel do not occur.
    """
    ids = np.zeros(shape[0] * shape[1], np.int32)
    for number, area in enumerate(_areas(outlines.rings), start=1):
        for part in shapely.get_parts(area):
            if isinstance(part, shapely.Polygon) and not part.is_empty:
                pixels = _pixels(part, shape)
                ids[pixels[ids[pixels] == 0]] = number
    return ids.reshape(shape)


def _text(path: Path, size: int = -1) -> bytes:
    """The first bytes of a file, after a look for document types and entities."""
    try:
        with path.open("rb") as handle:
            text = handle.read(size)
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from error
    bare = text.replace(b"\0", b"")  # UTF-16 hides the words between zeros
    if b"<!DOCTYPE" in bare or b"<!ENTITY" in bare:
        raise _broken(path, "a document type or an entity, which may hide an attack")
    return text


def _root(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(_text(path))
    except ElementTree.ParseError as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read {path}",
        expected="an ImageScope XML file with Region and Vertex elements",
        found=found,
        hint="get the file again",
    )


def _mpp(root: ElementTree.Element) -> float | None:
    try:
        value = float(root.get("MicronsPerPixel", ""))
    except ValueError:
        return None
    return value if LEAST_MPP <= value <= MOST_MPP else None


def _ring(path: Path, region: ElementTree.Element) -> NDArray[np.float64]:
    try:
        points = [(float(v.attrib["X"]), float(v.attrib["Y"])) for v in region.iter("Vertex")]
    except (KeyError, ValueError) as error:
        raise _broken(path, f"region {region.get('Id')}: bad vertex ({error})") from error
    ring = np.array(points, np.float64).reshape(-1, 2)
    if not (np.abs(ring) <= MAX_DRAWN).all():  # NaN fails too
        raise _broken(path, f"region {region.get('Id')}: a vertex far outside of any image")
    closed = len(ring) > 1 and (ring[0] == ring[-1]).all()
    return ring[:-1] if closed else ring


def _areas(rings: Sequence[NDArray[np.float64]]) -> NDArray[np.object_]:
    """The rings as areas, self-crossings resolved; points on straight lines are dropped."""
    if not rings:
        return np.empty(0, object)
    closed = [np.concatenate([ring, ring[:1]]) for ring in rings]
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in closed])
    areas = shapely.polygons(shapely.linearrings(np.concatenate(closed), indices=owner))
    broken = ~shapely.is_valid(areas)
    areas[broken] = shapely.make_valid(areas[broken], method="structure", keep_collapsed=False)
    return shapely.simplify(areas, 0)


def _pixels(part: shapely.Polygon, shape: tuple[int, int]) -> NDArray[np.int64]:
    """The pixels of an area without those of its holes, numbered row by row."""
    pixels = _filled(part.exterior, shape)
    for hole in part.interiors:
        pixels = np.setdiff1d(pixels, _filled(hole, shape), assume_unique=True)
    return pixels


def _filled(ring: shapely.LinearRing, shape: tuple[int, int]) -> NDArray[np.int64]:
    points = shapely.get_coordinates(ring) - 0.5  # from pixel corners to pixel centres
    rows, columns = polygon(points[:, 1], points[:, 0], shape)
    return rows * shape[1] + columns
