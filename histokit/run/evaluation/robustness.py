"""Scores of a segmenter on the same images, perturbed more and more."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.colour import is_grey
from histokit.data.perturb import Kind, Perturbations, in_words, perturb
from histokit.errors import UsageError
from histokit.interfaces import Dataset, Finding, Labels, Record, Segmenter
from histokit.metrics.robustness import Level, Robustness
from histokit.metrics.table import ImageScore, Summary, summarise
from histokit.metrics.tally import described
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.scoring import Contest, judge, predicted_by
from histokit.run.events import Event, ItemDone, ItemFailed
from histokit.run.machine import Machine
from histokit.run.models import Trained, segmenter_of

FOLDER = "robustness"
"""Where in the report's folder the predictions of each level lie."""


def require_unperturbed(how: Perturbations, what: str) -> None:
    """Raises UsageError where `what` would have to be perturbed, which has no images to change."""
    if how.kinds:
        raise UsageError(
            f"--perturb changes the images that a method segments, not {what}",
            expected="a segmenter or an adapter",
            hint="leave out --perturb",
        )


def robustness(
    options: EvalOptions,
    trained: Trained,
    contest: Contest,
    records: Sequence[Record],
    plain: Sequence[Summary],
    machine: Machine,
) -> Generator[Event, None, Robustness]:
    """Scores every record at every level of every kind, and returns the scores.

    Images are perturbed as their files are, before they are brought to another pixel size. The
    predictions of a level lie in ``robustness/KIND-LEVEL/predictions`` of the report's folder.

    Args:
        options: what was asked for.
        trained: the method.
        contest: what the plain evaluation scored, whose `Contest.names` are scored here, too.
        records: the images.
        plain: its summaries; they are level 0.
        machine: where the method runs.

    Raises UsageError where stains are to be changed and there are no colours.
    """
    how = options.perturb
    segmenter = segmenter_of(trained)
    if "stain" in how.kinds:
        _require_colours(trained, segmenter, contest, records)
    first = {summary.metric: summary for summary in plain}
    kinds: dict[str, list[Level]] = {}
    for kind in how.kinds:
        kinds[kind] = [Level(0, in_words(kind, 0), first)]
        for level in range(1, how.levels + 1):
            share = level / how.levels
            shifted = _shifted(contest, options, segmenter, machine, (kind, level))
            rows = yield from _scored(shifted, records, f"{kind} {level}/{how.levels}")
            summaries = _summaries(rows, first, options, contest)
            kinds[kind].append(Level(level, in_words(kind, share), summaries))
    return Robustness(kinds, how.seed)


def _shifted(
    contest: Contest,
    options: EvalOptions,
    segmenter: Segmenter,
    machine: Machine,
    at: tuple[Kind, int],
) -> Contest:
    """The contest on perturbed images."""
    kind, level = at
    how = options.perturb
    data = _Perturbed(contest.domain.data, kind, level / how.levels, how.seed)
    domain = replace(contest.domain, data=data)
    return replace(
        contest,
        domain=domain,
        predict=predicted_by(segmenter, domain, machine, options.windows),
        out=contest.out / FOLDER / f"{kind}-{level}",
        measure=None,
    )


def _scored(
    contest: Contest, records: Sequence[Record], where: str
) -> Generator[Event, None, list[ImageScore]]:
    rows = []
    for number, record in enumerate(records, 1):
        began = time.perf_counter()
        row = judge(contest, record).row(contest.names)
        rows.append(row)
        key, total = f"{where} {record.key}", len(records)
        if row.error:
            yield ItemFailed(key, number, total, row.error)
        else:
            seconds = time.perf_counter() - began
            yield ItemDone(key, number, total, seconds, {"dice": row.values["dice"]})
    return rows


def _summaries(
    rows: Sequence[ImageScore],
    first: dict[str, Summary],
    options: EvalOptions,
    contest: Contest,
) -> dict[str, Summary]:
    """Those of the metrics of level 0, which has no classes where predictions had none."""
    kept = [
        replace(row, values={name: row.values[name] for name in first if name in row.values})
        for row in rows
    ]
    metrics = {name: one for name, one in described(contest.names).items() if name in first}
    return {s.metric: s for s in summarise(kept, empty=options.empty, metrics=metrics)}


def _require_colours(
    trained: Trained, segmenter: Segmenter, contest: Contest, records: Sequence[Record]
) -> None:
    """Raises UsageError where no image has colours, or the method takes none."""
    domain = contest.domain
    if segmenter.channels == 1:
        grey = f"{trained.spec.name} takes grey images"
    elif all(is_grey(domain.data.image(record)) for record in records):
        grey = f"the images of {domain.name} are grey"
    else:
        return
    raise UsageError(
        f"there is no stain to perturb: {grey}",
        expected="colour images for the perturbation stain",
        hint="leave out stain: --perturb blur,jpeg,brightness",
    )


@final
@dataclass(frozen=True, slots=True)
class _Perturbed(Dataset):
    """An open data set whose images are perturbed as they are read."""

    data: Dataset
    kind: Kind
    share: float
    seed: int

    @classmethod
    def open(cls, root: Path, variant: str) -> Self:
        """Raises UsageError: it stands on a data set that is open already."""
        raise UsageError(
            "perturbed images are no data set of their own",
            found=f"{root}, variant {variant!r}",
            hint="histokit eval METHOD --perturb KIND,…",
        )

    def records(self) -> Sequence[Record]:
        """Those of the data set."""
        return self.data.records()

    def image(self, record: Record) -> NDArray[np.uint8]:
        """The perturbed image."""
        image = self.data.image(record)
        return perturb(image, self.kind, self.share, key=record.key, seed=self.seed)

    def labels(self, record: Record) -> Labels:
        """Those of the data set."""
        return self.data.labels(record)

    def verify(self) -> Iterator[Finding]:
        """What the data set finds."""
        return self.data.verify()
