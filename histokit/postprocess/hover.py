"""From the maps of HoVer-Net to nuclei: touching ones part where the distance maps jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histokit.errors import ContractError
from histokit.postprocess.clean import Ids, Mask, components, fill_holes, relabel, remove_small
from histokit.postprocess.filters import blur3, derivative, opened
from histokit.postprocess.watershed import flood

Values = NDArray[np.float32]

_TILE = 256
"""Side of the squares in which crowded blobs are flooded together, in pixels."""


@final
@dataclass(frozen=True, slots=True)
class Nuclei:
    """The nuclei of an image; row n of every table belongs to id n + 1.

    Attributes:
        ids: int32 [H W], 0 = background, 1..N without gaps.
        boxes: int64 [N 4]: first row, first column, and the row and column behind the last.
        centroids: float64 [N 2]: x and y of the centre of mass, in pixels.
        areas: int64 [N], in pixels.
        types: int64 [N], 0 where every pixel is background; None without types.
        shares: float64 [N], the share of pixels that have the type; None without types.
    """

    ids: Ids
    boxes: NDArray[np.int64]
    centroids: NDArray[np.float64]
    areas: NDArray[np.int64]
    types: NDArray[np.int64] | None = None
    shares: NDArray[np.float64] | None = None


MPP = 0.25
"""Micrometres a pixel that the usual lengths are tuned for (40x)."""


def lengths_at(mpp: float) -> dict[str, int]:
    """The usual lengths of `hover` in pixels of `mpp` micrometres.

    The authors say that theirs are wrong at 20x without giving others; here each keeps its size on
    the slide.
    """
    scale = MPP / mpp
    return {
        "min_area": max(round(10 * scale**2), 1),
        "sobel_size": max(2 * round((21 * scale - 1) / 2) + 1, 3),
        "open_radius": max(round(2 * scale), 1),
    }


def hover(
    foreground: NDArray[np.floating],
    hv: NDArray[np.floating],
    kinds: NDArray[np.integer[Any]] | None = None,
    *,
    threshold: float = 0.5,
    min_area: int = 10,
    sobel_size: int = 21,
    marker_threshold: float = 0.4,
    open_radius: int = 2,
) -> Nuclei:
    """The nuclei in the maps of one whole image.

    Args:
        foreground: [H W], the probability of being in a nucleus.
        hv: [2 H W], horizontal and vertical distances.
        kinds: [H W], the most probable type of each pixel with 0 for background, or None.
        threshold: as the other four, see `separate`.
        min_area: in pixels.
        sobel_size: odd.
        marker_threshold: in 0..1.
        open_radius: in pixels.

    Raises ContractError where the maps do not fit together or are not finite.
    """
    ids = separate(
        foreground,
        hv,
        threshold=threshold,
        min_area=min_area,
        sobel_size=sobel_size,
        marker_threshold=marker_threshold,
        open_radius=open_radius,
    )
    return measured(ids, kinds)


def separate(
    foreground: NDArray[np.floating],
    hv: NDArray[np.floating],
    *,
    threshold: float = 0.5,
    min_area: int = 10,
    sobel_size: int = 21,
    marker_threshold: float = 0.4,
    open_radius: int = 2,
) -> Ids:
    """The id map, int32 [H W], 1..N without gaps.

    The usual lengths are tuned for 40x; see `lengths_at`. The derivatives of the two distance maps
    are steeply negative where one nucleus ends and the next begins; what is left of the foreground
    away from there are the markers of a watershed. Foreground that no marker reaches is dropped.
    A piece of foreground with a single marker is one nucleus, so only the others are flooded.

    Source: Graham et al. 2019, section 3.2, with the constants and borders of the release.

    Args:
        foreground: [H W], the probability of being in a nucleus.
        hv: [2 H W], horizontal and vertical distances.
        threshold: foreground is where the probability is at least this.
        min_area: smaller pieces of foreground and smaller markers are dropped, in pixels.
        sobel_size: side of the derivative kernel, odd.
        marker_threshold: markers are where the edge strength, 0..1 over the image, is below this.
        open_radius: of the disc that smooths the markers, in pixels.

    Raises ContractError where the maps do not fit together or are not finite.
    """
    probability, distances = _checked(foreground, hv)
    blobs = remove_small(components(probability >= threshold), min_area)
    if not blobs.any():
        return blobs
    inside = blobs > 0
    flat = _flatness(distances, sobel_size)
    marker = fill_holes(inside & (np.float32(1) - flat < np.float32(marker_threshold)), None, 8)
    markers = remove_small(components(opened(marker, open_radius)), min_area)
    return _grown(blobs, markers, flat)


def _checked(foreground: NDArray[np.floating], hv: NDArray[np.floating]) -> tuple[Values, Values]:
    probability, distances = np.asarray(foreground, np.float32), np.asarray(hv, np.float32)
    fit = probability.ndim == 2 and distances.shape == (2, *probability.shape)
    if not fit or not (np.isfinite(probability).all() and np.isfinite(distances).all()):
        raise ContractError(
            "the maps of HoVer-Net cannot be read",
            expected="finite maps, foreground [H W] and distances [2 H W]",
            found=f"shapes {list(probability.shape)} and {list(distances.shape)}"
            + (", with values that are not finite" if fit else ""),
            hint="apply the activation first, and check the training for NaN",
        )
    return probability, distances


def _flatness(distances: Values, size: int) -> Values:
    """0 where a distance map falls most steeply in its own direction, 1 where both rise most."""
    return np.minimum(
        _stretched(derivative(distances[0], size, axis=1)),
        _stretched(derivative(distances[1], size, axis=0)),
    )


def _stretched(values: Values) -> Values:
    """The values mapped to 0..1; all 0 where they are all equal."""
    low, high = values.min(), values.max()
    if high - low <= np.finfo(np.float32).eps * max(abs(low), abs(high)):
        return np.zeros_like(values)
    values -= low
    values *= 1 / (high - low)
    return values


def _grown(blobs: Ids, markers: Ids, flat: Values) -> Ids:
    """The markers grown to fill their blobs; blobs without a marker vanish."""
    marked = markers > 0
    owner = np.zeros(int(markers.max(initial=0)) + 1, np.int32)
    owner[markers[marked]] = blobs[marked]
    count = np.bincount(owner[1:], minlength=int(blobs.max()) + 1)
    only = np.zeros(count.size, np.int32)
    only[owner[1:]] = np.arange(1, owner.size)
    only[count != 1] = 0
    ids = only[blobs]
    for region, several in _crowds(blobs, count > 1):
        here, mask = blobs[region], several[blobs[region]]
        energy = -blur3(flat[region] * (here > 0))
        ids[region] += flood(energy, np.where(mask, markers[region], 0), mask=mask)
    return relabel(ids)


def _crowds(blobs: Ids, crowded: Mask) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """The blobs that are `crowded`, in groups of neighbours: the rows and columns of a group with
    one pixel more on all sides, and by their numbers which blobs belong to it.

    A flood keeps a queue of all its pixels, and small queues stay in the processor's cache.
    """
    boxes = ndimage.find_objects(blobs)
    groups: dict[tuple[int, int], list[int]] = {}
    for number in np.flatnonzero(crowded).tolist():
        rows, columns = boxes[number - 1]
        groups.setdefault((rows.start // _TILE, columns.start // _TILE), []).append(number)
    for numbers in groups.values():
        several = np.zeros_like(crowded)
        several[numbers] = True
        chosen = [boxes[number - 1] for number in numbers]
        region = tuple(
            slice(
                max(min(box[axis].start for box in chosen) - 1, 0),
                max(box[axis].stop for box in chosen) + 1,
            )
            for axis in (0, 1)
        )
        yield (region[0], region[1]), several


def measured(ids: Ids, kinds: NDArray[np.integer[Any]] | None = None) -> Nuclei:
    """Boxes, centres, areas and types of the objects of an id map.

    A nucleus has the type that most of its pixels have; where that is background, the type that
    comes next. The lower number wins a tie.

    Args:
        ids: int32 [H W], 1..N without gaps.
        kinds: as in `hover`.
    """
    count = int(ids.max(initial=0))
    flat = np.flatnonzero(ids > 0)
    numbers = ids.ravel()[flat].astype(np.int64) - 1
    areas = np.bincount(numbers, minlength=count)
    rows = flat // ids.shape[1]
    columns = flat - rows * ids.shape[1]
    centroids = np.empty((count, 2))
    for place, along in enumerate((columns, rows)):
        centroids[:, place] = np.bincount(numbers, weights=along, minlength=count)
    centroids /= np.maximum(areas, 1)[:, None]
    boxes = np.array(
        [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(ids)], np.int64
    ).reshape(count, 4)
    if kinds is None:
        return Nuclei(ids, boxes, centroids, areas)
    types, shares = _majority(numbers, kinds.ravel()[flat], areas)
    return Nuclei(ids, boxes, centroids, areas, types, shares)


def _majority(
    numbers: NDArray[np.integer[Any]], kinds: NDArray[np.integer[Any]], areas: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The type of each object and its share of the pixels (with the release's 1e-6)."""
    width = int(kinds.max(initial=0)) + 1
    votes = np.bincount(numbers * width + kinds, minlength=areas.size * width)
    votes = votes.reshape(areas.size, width)
    types = votes.argmax(1) if areas.size else np.zeros(0, np.int64)
    if width > 1 and areas.size:
        other = votes[:, 1:].argmax(1) + 1
        second = (types == 0) & (votes[np.arange(areas.size), other] > 0)
        types = np.where(second, other, types)
    shares = votes[np.arange(areas.size), types] / (areas + 1e-6)
    return types.astype(np.int64), shares
