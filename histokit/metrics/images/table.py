"""The rows of a table of image metrics: what was measured, on how many, or why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from histokit.metrics.bootstrap import mean_interval
from histokit.metrics.scores import Metric


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        metric: what was measured.
        value: None where it was not computed; `note` says why.
        low, high: a 95 % bootstrap interval over images, where the value is a mean over them; for
            a kernel distance, None.
        n: images or pairs that the value is of.
        skipped: pairs for which it is not defined.
        note: a caveat, or the reason why there is no value.
    """

    metric: Metric
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    skipped: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row as the machine-readable result."""
        m = self.metric
        return {
            "metric": m.name,
            "variant": m.variant,
            "direction": m.direction,
            "unit": m.unit,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "n_skipped": self.skipped,
            "note": self.note,
        }


def mean_row(metric: Metric, values: Mapping[str, float | None]) -> Row:
    """The mean over pairs, by key, with its interval.

    A value that is None or not finite (the PSNR of equal images) is skipped and counted.
    """
    known = {key: v for key, v in values.items() if v is not None and math.isfinite(v)}
    skipped = len(values) - len(known)
    infinite = sum(v is not None and math.isinf(v) for v in values.values())
    note = f"{infinite} pairs of equal images left out" if infinite else ""
    if not known:
        return not_computed(metric, note or "no pair has a value", skipped)
    mean = math.fsum(known.values()) / len(known)
    interval: Sequence[float | None] = mean_interval(list(known.values()), list(known)) or (
        None,
        None,
    )
    return Row(metric, mean, interval[0], interval[1], len(known), skipped, note)


def not_computed(metric: Metric, reason: str, skipped: int = 0) -> Row:
    """The row of a metric without a value."""
    return Row(metric, None, skipped=skipped, note=f"not computed: {reason}")
