"""What a report shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.metrics import ImageScore, Summary
from histokit.metrics.correlation import Correlation
from histokit.metrics.images import Row
from histokit.metrics.papers import PaperRow
from histokit.metrics.robustness import Robustness
from histokit.metrics.tails import Tails
from histokit.report.section import Section


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


@dataclass(frozen=True, eq=False, slots=True)
class TrustPanel:
    """One translated image to be shown beside what it was made of and should have been.

    Attributes:
        label: why it is shown, such as ``worst``.
        key: names the image.
        score: its value of `metric`; None where it has none.
        metric: what `score` is.
        source: the image that was translated, uint8 [H W 3].
        output: its translation.
        reference: the real image of the same place.
        segmenter: what found the nuclei; empty where nothing did.
        output_ids, reference_ids: the nuclei of both, int32 [H W], or None.
    """

    label: str
    key: str
    score: float | None
    metric: str
    source: NDArray[np.uint8]
    output: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    segmenter: str = ""
    output_ids: NDArray[np.int32] | None = None
    reference_ids: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        size = self.reference.shape[:2]
        others = (self.source, self.output, self.output_ids, self.reference_ids)
        for image in others:
            if image is not None and image.shape[:2] != size:
                raise DataError(
                    f"the images of {self.key!r} differ in size",
                    expected=f"{size[1]} x {size[0]} pixels",
                    found=f"{image.shape[1]} x {image.shape[0]}",
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
        tails: the worst-off and best-off images; also written as tails.csv.
        correlations: what the method measures against Dice; also written as correlation.csv.
        facts: tables of what the method tells of itself; also written as facts.csv.
        sets: of a translator, how far its images as a set are from the real ones; also written
            as sets.csv.
        trust: translated images to be shown.
        robustness: the scores under perturbations; also written as robustness.csv and .json.
        parts: what only this report has.
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
    tails: Tails | None = None
    correlations: Sequence[Correlation] = ()
    facts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sets: Sequence[Row] = ()
    trust: Sequence[TrustPanel] = ()
    robustness: Robustness | None = None
    parts: Sequence[Section] = ()
