"""Which block of a slide each object belongs to, so that none is doubled, cut or lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histokit.interfaces import Instances
from histokit.run.slide.plan import Block, SlidePlan

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Piece:
    """An object that was taken: its pixels within a box of the view."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    mask: NDArray[np.bool_]


@final
class Owner:
    """Takes the objects of block after block, in their order, each object once.

    A block takes what has its centroid on tissue and in no later block's own area, and was not
    taken before: an object that two blocks see alike belongs to the block of its centroid. Where
    they see it differently, because it is larger than the margin or hangs together with others
    over a long way, the first to take it keeps it; a later block that has more than half of an
    object's pixels in ones that were taken drops it, and else only the shared pixels. So no pixel
    is in two objects, and nothing that any block sees whole is lost.

    Args:
        plan: of the slide.

    Attributes:
        cut: objects so far that reach the end of what their block sees, though the slide goes on.
    """

    def __init__(self, plan: SlidePlan) -> None:
        self._plan = plan
        self._taken: defaultdict[int, list[_Piece]] = defaultdict(list)
        self.cut = 0

    def take(self, block: Block, found: Instances) -> Instances:
        """The objects that become the block's, numbered 1..n on the map of its region."""
        for number in [number for number in self._taken if number < block.number]:
            del self._taken[number]
        ids = self._without_taken(block, found.ids)
        keep = self._wanted(block, ids)
        if ids is not found.ids:
            keep &= _share(ids, found.ids, keep.size) > 0.5
        self.cut += int(keep[self._at_ends(block, ids)].sum())
        numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
        mine: Ids = numbers[ids]
        self._hand_on(block, mine)
        kept = np.flatnonzero(keep).tolist()
        return Instances(
            mine, _renamed(found.classes, kept, numbers), _renamed(found.scores, kept, numbers)
        )

    def _without_taken(self, block: Block, ids: Ids) -> Ids:
        """The map without the pixels of objects that earlier blocks took."""
        pieces = self._taken.pop(block.number, [])
        if not pieces:
            return ids
        free = ids.copy()
        (top, bottom), (left, right) = block.region
        for piece in pieces:
            rows = slice(max(piece.rows[0], top), min(piece.rows[1], bottom))
            cols = slice(max(piece.cols[0], left), min(piece.cols[1], right))
            part = piece.mask[
                rows.start - piece.rows[0] : rows.stop - piece.rows[0],
                cols.start - piece.cols[0] : cols.stop - piece.cols[0],
            ]
            here = slice(rows.start - top, rows.stop - top)
            there = slice(cols.start - left, cols.stop - left)
            free[here, there][part] = 0
        return free

    def _wanted(self, block: Block, ids: Ids) -> NDArray[np.bool_]:
        """For each id whether its centroid is on tissue and in no later block."""
        keep = np.zeros(int(ids.max(initial=0)) + 1, bool)
        flat = np.flatnonzero(ids)
        if not flat.size:
            return keep
        keys, (rows, cols) = ids.ravel()[flat], np.divmod(flat, ids.shape[1])
        areas = np.maximum(np.bincount(keys, minlength=keep.size), 1)
        y = np.bincount(keys, rows, keep.size) / areas + 0.5 + block.region[0][0]
        x = np.bincount(keys, cols, keep.size) / areas + 0.5 + block.region[1][0]
        keep = np.bincount(keys, minlength=keep.size) > 0
        keep &= self._plan.owner(y, x) <= block.number
        return keep & self._plan.tissue.at(y, x, self._plan.size)

    def _at_ends(self, block: Block, ids: Ids) -> NDArray[np.intp]:
        """The ids, once each, at those sides of the region where the slide goes on."""
        (top, bottom), (left, right) = block.region
        sides = [
            ids[0] if top > 0 else ids[0, :0],
            ids[-1] if bottom < self._plan.size[0] else ids[0, :0],
            ids[:, 0] if left > 0 else ids[0, :0],
            ids[:, -1] if right < self._plan.size[1] else ids[0, :0],
        ]
        return np.unique(np.concatenate(sides)).astype(np.intp)

    def _hand_on(self, block: Block, mine: Ids) -> None:
        """Tells the later blocks which of their pixels are taken."""
        later = list(self._plan.later_neighbours(block))
        (top, _), (left, _) = block.region
        for number, box in enumerate(ndimage.find_objects(mine), start=1):
            rows = box[0].start + top, box[0].stop + top
            cols = box[1].start + left, box[1].stop + left
            meets = [other for other in later if other.overlaps(rows, cols)]
            if meets:
                piece = _Piece(rows, cols, mine[box] == number)
                for other in meets:
                    self._taken[other.number].append(piece)


def _share(free: Ids, ids: Ids, count: int) -> NDArray[np.float64]:
    """The part of each object's pixels that is still free."""
    before = np.bincount(ids.ravel(), minlength=count)[:count]
    return np.bincount(free.ravel(), minlength=count)[:count] / np.maximum(before, 1)


def _renamed(values: Mapping[int, Any], kept: list[int], numbers: Ids) -> dict[int, Any]:
    """What is known of objects, by their new numbers."""
    return {int(numbers[key]): values[key] for key in kept if key in values}
