"""What the verbs tell while they work; `histokit.cli` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from histokit.metrics.images import Row
from histokit.metrics.table import Summary
from histokit.report.data import Report


@dataclass(frozen=True, slots=True)
class Started:
    """Training begins: the run folder, the device in words, and the phases with their steps."""

    run: Path
    device: str
    phases: Mapping[str, int]
    step: int
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Some steps are done. `waited` is the share of time spent waiting for data, in 0..1."""

    step: int
    total: int
    phase: str
    losses: Mapping[str, float]
    images_per_second: float
    eta_seconds: float
    waited: float


@dataclass(frozen=True, slots=True)
class Validated:
    """A validation: what was measured on which images, and whether it is the best so far."""

    step: int
    what: str
    value: float
    best: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """A line for the user: something assumed, resampled, skipped or suspicious."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """Training is over: the run folder, and the step and score of the kept weights."""

    run: Path
    step: int
    score: float | None
    selection: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ItemDone:
    """One image is finished."""

    key: str
    number: int
    total: int
    seconds: float
    values: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemFailed:
    """One image could not be done; the others go on. `attempts` counts how often it was tried."""

    key: str
    number: int
    total: int
    reason: str
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Predicted:
    """Prediction is over: the output folder and the counts; `skipped` of those that are done were
    done before.
    """

    out: Path
    done: int
    failed: int
    objects: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Translated:
    """Translation is over: the output folder, the counts, and the seam index over the images that
    took several windows (mean and largest; None where there is none). `skipped` of those that are
    done were done before.
    """

    out: Path
    done: int
    failed: int
    seam: float | None
    worst_seam: float | None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """Two folders of images are compared: the table, the pairs that were measured, those that
    failed, and the names without a partner in either folder.
    """

    rows: Sequence[Row]
    pairs: int
    failures: Mapping[str, str]
    only_output: Sequence[str]
    only_reference: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """The machine-readable result."""
        return {
            "pairs": self.pairs,
            "failed": dict(self.failures),
            "unmatched": {"a": list(self.only_output), "b": list(self.only_reference)},
            "metrics": [row.as_dict() for row in self.rows],
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Evaluation is over: the page of the report, what it says, and what was scored on what.
    `total` images were tried, `failed` of them could not be scored.
    """

    page: Path
    report: Report
    method: str
    target: str
    part: str
    total: int
    failed: int

    @property
    def summaries(self) -> Sequence[Summary]:
        """Mean and interval of every metric."""
        return self.report.summaries


@dataclass(frozen=True, slots=True)
class Compared:
    """Several methods were scored on the same images: the page and each evaluation."""

    page: Path
    evaluations: Sequence[Evaluated]


Event: TypeAlias = (
    Started
    | Progress
    | Validated
    | Noted
    | Finished
    | ItemDone
    | ItemFailed
    | Predicted
    | Translated
    | Measured
    | Evaluated
    | Compared
)
