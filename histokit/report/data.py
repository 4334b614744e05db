"""What a report shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.metrics import ImageScore, Summary
from histokit.metrics.papers import PaperRow


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the run.

    Attributes:
        name, value: as a user would type them.
        origin: where the value came from: default, preset, file or option.
    """

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A value over the steps of training. Raises DataError where the lengths differ."""

    steps: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.values):
            raise DataError(
                "a curve of the report has steps without values",
                expected=f"{len(self.steps)} values",
                found=f"{len(self.values)} values",
            )


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One method's line in the comparison, such as source-only, mani or oracle.

    Attributes:
        method: its name in the table.
        n: images it was scored on.
        summaries: by metric.
    """

    method: str
    n: int
    summaries: Mapping[str, Summary]


@dataclass(frozen=True, eq=False, slots=True)
class Panel:
    """One image to be shown with its outlines.

    Attributes:
        label: why it is shown, such as ``worst``.
        key: names the image.
        score: its value of `metric`.
        image: uint8 [H W 3].
        truth, prediction: int32 [H W], 0 = background.
        metric: what `score` is.
    """

    label: str
    key: str
    score: float | None
    image: NDArray[np.uint8]
    truth: NDArray[np.int32]
    prediction: NDArray[np.int32]
    metric: str = "pq"

    def __post_init__(self) -> None:
        shapes = [self.image.shape[:2], self.truth.shape, self.prediction.shape]
        if self.image.ndim != 3 or self.image.shape[2] != 3 or len(set(shapes)) > 1:
            raise DataError(
                f"{self.key!r} cannot be drawn",
                expected="an image [H W 3] and two id maps [H W] of the same height and width",
                found=f"{list(self.image.shape)}, {list(shapes[1])} and {list(shapes[2])}",
            )


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A paper's metrics by its own formulas, beside ours.

    Attributes:
        name: of the paper, as typed after ``--paper``.
        rows: its metrics.
        note: what is left out, and why; empty where nothing is.
    """

    name: str
    rows: Sequence[PaperRow]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on one page; what is empty is left out.

    Attributes:
        title, subtitle: headline, and one line below it.
        settings: of the run, with their origin.
        curves: by name, drawn in small axes of their own.
        comparisons: this run beside others.
        summaries: the headline table.
        rows: the scores behind it; also written as per_image.csv.
        panels: images to be shown, best first.
        notes: sentences that a reader must know: warnings, selection rule, split.
        provenance: run, versions, hashes, command.
        paper: the table of a paper; also written as paper_NAME.csv.
    """

    title: str
    subtitle: str = ""
    settings: Sequence[Setting] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    comparisons: Sequence[ComparisonRow] = ()
    summaries: Sequence[Summary] = ()
    rows: Sequence[ImageScore] = ()
    panels: Sequence[Panel] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    paper: PaperTable | None = None
