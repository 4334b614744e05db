"""Which predicted object belongs to which true one, by three rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from histokit.metrics.contingency import Contingency, Indices

EPS = 1e-6
"""Added to a union before division where the reference does so (HoVer-Net's stats_utils)."""


def over_half(table: Contingency) -> Indices:
    """Positions in the table of the pairs whose IoU is above one half, strictly.

    Such a pair is the only one of both its objects (Kirillov et al., Panoptic Segmentation, 2019).
    """
    return np.flatnonzero(2 * table.overlap > table.union)


def favourite(table: Contingency) -> Indices:
    """Positions of each true object's pair of highest IoU; a prediction may serve several.

    Equal IoU goes to the prediction whose first pixel comes first, so ids never decide.
    """
    order = np.lexsort((table.pred.first[table.cols], -_iou(table), table.rows))
    return order[np.flatnonzero(np.diff(table.rows[order], prepend=-1))]


def one_to_one(table: Contingency) -> Indices:
    """Positions of the one-to-one pairing with the highest total IoU (the Hungarian rule).

    A pair that is worth more than the best other pairs of its two objects together is in every
    best pairing. Only what these leave open is solved, as one sparse problem, so memory follows
    the overlaps and not the objects squared.
    """
    iou = _iou(table)
    sure = np.flatnonzero(iou > _best_other(table.rows, iou) + _best_other(table.cols, iou))
    open_pair = ~np.isin(table.rows, table.rows[sure]) & ~np.isin(table.cols, table.cols[sure])
    rest = np.flatnonzero(open_pair)
    # In raster order the problem, and so the choice between equal totals, is free of ids.
    rows = _dense_rank(table.true.first[table.rows[rest]])
    cols = _dense_rank(table.pred.first[table.cols[rest]])
    return np.sort(np.append(sure, rest[assign(rows, cols, iou[rest])]))


def _iou(table: Contingency) -> NDArray[np.float64]:
    """[M], the IoU by which the reference ranks pairs."""
    return table.overlap / (table.union + EPS)


def _best_other(owner: Indices, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """[M], the highest gain among the other pairs of the same owner, 0 where there is none."""
    order = np.lexsort((-gain, owner))
    ranked = gain[order]
    head = np.diff(owner[order], prepend=-1) != 0
    best = ranked[head][np.cumsum(head) - 1]
    second = np.append(np.where(head[1:], 0.0, ranked[1:]), np.zeros(min(1, head.size)))
    other = np.empty_like(gain)
    other[order] = np.where(head, second, best)
    return other


def _dense_rank(values: Indices) -> Indices:
    """Each value's position among the distinct values."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def assign(rows: Indices, cols: Indices, gain: NDArray[np.float64]) -> Indices:
    """Positions of the entries of a sparse gain matrix, in 0..1, that the best assignment takes.

    Each row also gets a column of its own that stands for staying alone, at gain 0; then a full
    matching always exists. Costs are shifted to 1..2 because the solver takes no zeros.
    """
    if rows.size == 0:
        return rows
    n_rows, n_cols = int(rows.max()) + 1, int(cols.max()) + 1
    alone = np.arange(n_rows)
    cost = np.append(2.0 - gain, np.full(n_rows, 2.0))
    where = (np.append(rows, alone), np.append(cols, n_cols + alone))
    graph = coo_array((cost, where), shape=(n_rows, n_cols + n_rows)).tocsr()
    taken_rows, taken_cols = min_weight_full_bipartite_matching(graph)
    chosen = np.full(n_rows, -1)
    chosen[taken_rows] = taken_cols
    return np.flatnonzero(chosen[rows] == cols)
