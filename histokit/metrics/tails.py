"""The images that a method does worst and best on, and what it scores there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from histokit.metrics.scores import METRICS
from histokit.metrics.table import ImageScore, Summary, summarise

SHARE = 0.2
"""Share of the images in a tail where nothing else is said: 10 of 50, as in the paper's Table 1."""
SHARES: Mapping[str, float] = {
    "tnbc": 10 / 50,
    "monuseg": 25 / 44,
    "udiat": 35 / 163,
    "adtau": 500 / 10_000,
    "us-tnbc": 10 / 15,
}
"""Worst-off images of all in the data sets of that table ("Causal Frameworks and Feature
Discrepancy Loss", anonymous manuscript)."""
SHOWN = ("dice", "iou")
BY = "dice"
"""The score that tells worst from best."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Some of the images, and what is scored there.

    Attributes:
        which: ``all``, ``worst-off`` or ``best-off``.
        keys: of the images, worst first.
        summaries: of Dice and IoU, with bootstrap intervals.
    """

    which: str
    keys: Sequence[str]
    summaries: Mapping[str, Summary]


@dataclass(frozen=True, slots=True)
class Tails:
    """All images, the worst-off and the best-off ones.

    Attributes:
        parts: in this order.
        note: how many were taken, and why.
    """

    parts: Sequence[Tail]
    note: str


def tail_size(wanted: int | None, images: int, dataset: str) -> tuple[int, str]:
    """How many images a tail has, and that in words.

    Args:
        wanted: as asked for; None for the share of the data set, at least 1.
        images: that were scored.
        dataset: name of the data set, perhaps with a variant.
    """
    if wanted is None:
        share = SHARES.get(dataset.partition("@")[0], SHARE)
        size = max(1, round(share * images))
        return size, f"{size} of {images} images in each tail, a share of {share:.0%}"
    size = min(wanted, images)
    fewer = f"; {wanted} were asked for" if size < wanted else ""
    return size, f"{size} of {images} images in each tail{fewer}"


def tails(
    rows: Sequence[ImageScore],
    wanted: int | None = None,
    *,
    dataset: str = "",
    ranked_by: Mapping[str, float] | None = None,
) -> Tails | None:
    """Dice and IoU of all images, of the worst-off and of the best-off ones by Dice.

    None with fewer than two images that have a Dice; images without one are in no part. Equal
    ones are taken in the order of their keys.

    Args:
        rows: the scores of a run.
        wanted: images in a tail; None for the share of the data set.
        dataset: its name.
        ranked_by: the Dice of another run by key, such as a baseline's, by which images are
            picked; their own without it.
    """
    values = {row.key: v for row in rows if (v := row.values.get(BY)) is not None}
    ranking = values if ranked_by is None else ranked_by
    order = sorted(values.keys() & ranking.keys(), key=lambda key: (ranking[key], key))
    if len(order) < 2:
        return None
    size, note = tail_size(wanted, len(order), dataset)
    if 2 * size > len(order):
        note += f"; {2 * size - len(order)} images are in both"
    groups = {"all": order, "worst-off": order[:size], "best-off": order[-size:]}
    scored = {row.key: row for row in rows}
    parts = [_tail(which, keys, scored) for which, keys in groups.items()]
    return Tails(parts, note)


def _tail(which: str, keys: Sequence[str], scored: Mapping[str, ImageScore]) -> Tail:
    rows = [
        ImageScore(key, scored[key].group, {name: scored[key].values.get(name) for name in SHOWN})
        for key in keys
    ]
    known = {name: METRICS[name] for name in SHOWN}
    return Tail(which, keys, {one.metric: one for one in summarise(rows, metrics=known)})
