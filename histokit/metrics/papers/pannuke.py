"""The tables of PanNuke (Gamper et al. 2020): binary and multi-class PQ, by tissue and fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from histokit.metrics.classes import class_pq, mean
from histokit.metrics.papers.row import OUR_MEAN, Means, PaperRow
from histokit.metrics.tally import Tally

BPQ = "pq of each image with true nuclei"
MPQ = "mean pq of the classes in the truth of an image"
ORDER = "mean over images, then folds, then tissues"


@dataclass(frozen=True, slots=True)
class Quality:
    """The values of one image by PanNuke's rule, None where the truth is empty, and by ours."""

    stratum: str
    fold: str
    bpq: float | None
    mpq: float | None
    classes: list[float | None]
    our_bpq: float | None
    our_mpq: float | None


def table(tallies: Sequence[Tally], names: tuple[str, ...], ours: Means) -> list[PaperRow]:
    """bPQ, and with classes mPQ and PQ by class; both also by tissue, and by fold where several.

    What the truth of an image lacks is skipped, so false positives there cost nothing; ours counts
    them as 0. Three things of the authors' script are not repeated: its class table that prints
    connective as inflammatory; its failure where a nucleus is wholly covered by one of a later
    class; and class masks that overlap, since each pixel here belongs to one nucleus.
    """
    found = [quality(t) for t in tallies]
    tissues = sorted({q.stratum for q in found} - {""})
    folds = sorted({q.fold for q in found} - {""})
    rows = [_bpq("bpq", found, ours["pq"])]
    if names:
        rows.append(_mpq("mpq", found, ours["mpq"]))
        rows += [_class(name, k, found, ours) for k, name in enumerate(names)]
    parts = [(name, [q for q in found if q.stratum == name]) for name in tissues]
    if len(folds) > 1:
        parts += [(name, [q for q in found if q.fold == name]) for name in folds]
    for name, own in parts:
        rows.append(_bpq(f"bpq@{name}", own, mean(q.our_bpq for q in own)))
        if names:
            rows.append(_mpq(f"mpq@{name}", own, mean(q.our_mpq for q in own)))
    return rows


def quality(tally: Tally) -> Quality:
    """The values of one image."""
    by_class = class_pq(tally.classes)
    known = [
        value if n_true else None
        for value, n_true in zip(by_class, tally.classes.n_true, strict=True)
    ]
    return Quality(
        stratum=tally.stratum,
        fold=tally.fold,
        bpq=tally.scores.pq if tally.scores.n_true else None,
        mpq=mean(known),
        classes=known,
        our_bpq=tally.scores.pq,
        our_mpq=mean(by_class),
    )


def nested_mean(values: Iterable[tuple[str, str, float | None]]) -> float | None:
    """The mean over strata of their mean over folds of their mean over images; each value comes
    with its stratum and fold, and what is undefined is left out at every level.
    """
    strata: dict[str, dict[str, list[float | None]]] = {}
    for stratum, fold, value in values:
        strata.setdefault(stratum, {}).setdefault(fold, []).append(value)
    return mean(mean(mean(own) for own in folds.values()) for folds in strata.values())


def _bpq(name: str, found: Sequence[Quality], ours: float | None) -> PaperRow:
    paper = nested_mean((q.stratum, q.fold, q.bpq) for q in found)
    n = sum(q.bpq is not None for q in found)
    return PaperRow(name, paper, f"{BPQ}; {ORDER}", ours, f"pq; {OUR_MEAN}", n)


def _mpq(name: str, found: Sequence[Quality], ours: float | None) -> PaperRow:
    paper = nested_mean((q.stratum, q.fold, q.mpq) for q in found)
    n = sum(q.mpq is not None for q in found)
    return PaperRow(name, paper, f"{MPQ}; {ORDER}", ours, f"mpq; {OUR_MEAN}", n)


def _class(name: str, place: int, found: Sequence[Quality], ours: Means) -> PaperRow:
    values = [q.classes[place] for q in found]
    formula = "pq of the class in each image whose truth has it; mean over images"
    n = sum(value is not None for value in values)
    return PaperRow(f"pq:{name}", mean(values), formula, ours[f"pq:{name}"], OUR_MEAN, n)
