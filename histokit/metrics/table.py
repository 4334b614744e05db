"""Scores of many images: their summary with intervals, and their file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histokit.errors import DataError
from histokit.io.files import atomic
from histokit.metrics.bootstrap import mean_interval
from histokit.metrics.scores import METRICS, Direction, Metric

Empty = Literal["skip", "one", "zero"]
"""What an image without nuclei in truth and prediction counts as: nothing, 1 or 0."""

_FIRST_COLUMNS = ("key", "group", "error")
_UNDEFINED = "NA"


@dataclass(frozen=True, slots=True)
class ImageScore:
    """The scores of one image, or why there are none.

    Attributes:
        key: names the image.
        group: what it shares with related images, such as a patient; empty for nothing.
        values: by metric; None where the metric is undefined for this image.
        error: why the image failed; empty where it did not.
    """

    key: str
    group: str
    values: Mapping[str, float | None]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The mean of one metric over images, and how it came about.

    Attributes:
        metric, variant, direction, unit: as in `Metric`.
        mean: unweighted mean over the `n` images; None where there are none.
        low, high: bounds of the bootstrap interval; None where `n_groups` is below two.
        n: images in the mean.
        n_skipped: images left out because the metric is undefined for them.
        n_failed: images without scores because they failed.
        n_groups: groups (patients) among the `n`; these were drawn again for the interval.
        level: of the interval.
        empty: the rule for images without nuclei in truth and prediction.
    """

    metric: str
    variant: str
    direction: Direction
    unit: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_skipped: int
    n_failed: int
    n_groups: int
    level: float = 0.95
    empty: Empty = "skip"

    @property
    def interval_note(self) -> str:
        """In words, what the interval rests on or why there is none."""
        if self.n == 0:
            return "no interval: no image was scored"
        if self.n_groups < 2:
            return f"no interval: {_count(self.n, 'image')} of a single group"
        drawn = "images" if self.n_groups == self.n else "groups of images"
        return f"{self.level:.0%} percentile bootstrap over {self.n_groups} {drawn}"


def summarise(
    rows: Sequence[ImageScore],
    *,
    empty: Empty = "skip",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Summary]:
    """A summary of each metric that the rows hold, in the order of `metrics`.

    Where every image failed, of each metric of `metrics`, so that the failures are still counted.
    Raises DataError where a row that did not fail lacks a metric that another has, holds a value
    that is not finite, or names a metric that `metrics` does not know.
    """
    scored = [row for row in rows if not row.error]
    present = {name for row in scored for name in row.values}
    _check(scored, present, metrics)
    if rows and not scored:
        present = set(metrics)
    return [
        _summary(
            metrics[name],
            scored,
            len(rows) - len(scored),
            empty=empty,
            resamples=resamples,
            seed=seed,
            level=level,
        )
        for name in metrics
        if name in present
    ]


def _summary(
    metric: Metric,
    scored: Sequence[ImageScore],
    n_failed: int,
    *,
    empty: Empty,
    resamples: int,
    seed: int,
    level: float,
) -> Summary:
    """One metric's summary over rows that all hold it."""
    values, groups = [], []
    stand_in = {"skip": None, "one": 1.0, "zero": 0.0}[empty]
    for row in scored:
        value = row.values[metric.name]
        value = stand_in if value is None else value
        if value is not None:
            values.append(value)
            groups.append(f"group {row.group}" if row.group else f"image {row.key}")
    interval = mean_interval(values, groups, resamples=resamples, seed=seed, level=level)
    low, high = interval or (None, None)
    return Summary(
        metric=metric.name,
        variant=metric.variant,
        direction=metric.direction,
        unit=metric.unit,
        mean=math.fsum(values) / len(values) if values else None,
        low=low,
        high=high,
        n=len(values),
        n_skipped=len(scored) - len(values),
        n_failed=n_failed,
        n_groups=len(set(groups)),
        level=level,
        empty=empty,
    )


def _check(scored: Sequence[ImageScore], present: set[str], metrics: Mapping[str, Metric]) -> None:
    """Raises DataError unless all rows hold the same known metrics and no NaN or infinity."""
    if strange := sorted(present - set(metrics)):
        raise DataError(
            "the scores name metrics that nobody described",
            expected="one of " + ", ".join(metrics),
            found=", ".join(strange),
        )
    for row in scored:
        missing = sorted(present - set(row.values))
        broken = sorted(k for k, v in row.values.items() if v is not None and not math.isfinite(v))
        if missing or broken:
            raise DataError(
                f"the scores of {row.key!r} are incomplete",
                expected="a finite number, or None where undefined, for " + ", ".join(metrics),
                found="nothing or not a finite number for " + ", ".join(missing + broken),
                hint="score the image again, or give its row an error",
            )


def write_per_image_csv(path: Path, rows: Iterable[ImageScore]) -> None:
    """Writes one line an image, the failed ones too: key, group, error, then the metrics.

    ``NA`` means undefined, an empty cell that there is no value. Numbers keep every digit.
    """
    rows = list(rows)
    present = {name for row in rows for name in row.values}
    names = [name for name in METRICS if name in present] + sorted(present - set(METRICS))
    with (
        atomic(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as handle,
    ):
        writer = csv.writer(handle)
        writer.writerow([*_FIRST_COLUMNS, *names])
        for row in rows:
            writer.writerow([row.key, row.group, row.error, *(_cell(row, name) for name in names)])


def read_per_image_csv(path: Path) -> list[ImageScore]:
    """The rows that `write_per_image_csv` wrote. Raises DataError, naming `path` and the line."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as handle:
            lines = list(csv.reader(handle))
    except (OSError, UnicodeError, csv.Error) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error
    header = tuple(lines[0]) if lines else ()
    if header[:3] != _FIRST_COLUMNS:
        raise _unreadable(path, "the first line " + repr(",".join(header)))
    return [_row(path, number, header, line) for number, line in enumerate(lines[1:], start=2)]


def _cell(row: ImageScore, name: str) -> str:
    """A value as it stands in the file."""
    if name not in row.values:
        return ""
    value = row.values[name]
    return _UNDEFINED if value is None else repr(float(value))


def _row(path: Path, number: int, header: tuple[str, ...], line: list[str]) -> ImageScore:
    """The score of one line of the file."""
    if len(line) != len(header):
        raise _unreadable(path, f"{_count(len(line), 'cell')} in row {number}")
    key, group, error, *cells = line
    try:
        values = {
            name: None if cell == _UNDEFINED else float(cell)
            for name, cell in zip(header[3:], cells, strict=True)
            if cell
        }
    except ValueError as problem:
        raise _unreadable(path, f"{problem} in row {number}") from problem
    return ImageScore(key, group, values, error)


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"cannot read the scores of {path}",
        expected="a table with the columns key, group, error and the metrics",
        found=found,
        hint="evaluate the run again to write it anew",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
