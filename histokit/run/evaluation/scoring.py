"""One prediction against the truth: what was found in one image, and what that counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from histokit.errors import ConfigError, DeviceError, HistokitError
from histokit.interfaces import Instances, Record, Segmenter
from histokit.io.files import within
from histokit.io.labels import write_label_tiff
from histokit.metrics.table import ImageScore
from histokit.metrics.tally import Tally, tally
from histokit.run.domains import Domain, resize_ids
from histokit.run.evaluation.measuring import Measure, Measured
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.machine import Machine

Size: TypeAlias = tuple[int, int]
Predict: TypeAlias = Callable[[Record, Size], Instances]
"""The objects of a record on a map of the truth's size (rows, columns)."""
BY_FOLD = "fold"
"""What the card of a data set says its groups are where they are parts of a cross-validation."""


@dataclass(frozen=True, slots=True)
class Contest:
    """What is scored.

    Attributes:
        domain: the data set.
        predict: makes or reads a prediction.
        names: of the classes that truth and predictions may have in common; empty for none.
        out: folder of the report.
        nearest: whether to pair centroids as HoVer-Net's script does, too.
        measure: what the method measures of an image beside its scores; None for nothing.
    """

    domain: Domain
    predict: Predict
    names: tuple[str, ...]
    out: Path
    nearest: bool = False
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One image scored: its counts, whether any prediction has a class, and what the method
    measures of it; or why it failed.
    """

    record: Record
    tally: Tally | None = None
    typed: bool = False
    error: str = ""
    measured: Measured = field(default_factory=dict)

    def row(self, names: tuple[str, ...] = ()) -> ImageScore:
        """Its line in the table, with the scores of the classes `names`."""
        values = self.tally.values(names) if self.tally else {}
        return ImageScore(self.record.key, self.record.group, values, self.error)

    def full_row(self, names: tuple[str, ...] = ()) -> ImageScore:
        """The same line with what the method measures."""
        row = self.row(names)
        return replace(row, values={**row.values, **self.measured})


def judge(contest: Contest, record: Record) -> Judged:
    """Scores one image and writes its prediction.

    What is wrong with this image alone becomes `Judged.error`. Raises DeviceError and ConfigError,
    which concern all.
    """
    domain = contest.domain
    try:
        truth = domain.data.labels(record)
        height, width = truth.ids.shape
        found = without_gaps(contest.predict(record, (height, width)))
        counts = tally(
            truth.ids,
            found.ids,
            truth.classes,
            found.classes,
            n_classes=len(contest.names),
            nearest=contest.nearest,
            stratum=record.tissue,
            fold=record.group if domain.spec.group == BY_FOLD else "",
        )
        measured = contest.measure(record) if contest.measure else {}
    except (DeviceError, ConfigError):
        raise
    except HistokitError as error:
        return Judged(record, error=str(error))
    _write(contest, record, found)
    return Judged(record, counts, typed=any(found.classes.values()), measured=measured)


def predicted_by(
    segmenter: Segmenter, domain: Domain, machine: Machine, windows: Windows
) -> Predict:
    """Predictions that a segmenter makes at its own pixel size, brought to the truth's."""

    def predict(record: Record, size: Size) -> Instances:
        maps = segment_image(segmenter, domain.image(record), machine, windows)
        found = decode(segmenter, maps)
        if found.ids.shape == size:
            return found
        return Instances(resize_ids(found.ids, size), found.classes, found.scores)

    return predict


def without_gaps(found: Instances) -> Instances:
    """The same objects numbered 1..N, in the order of their ids; those without a pixel go."""
    ids, index = np.unique(found.ids, return_inverse=True)
    if not ids.size or ids[-1] == np.count_nonzero(ids):
        return found
    first = int(ids[0] != 0)
    number = {int(key): place for place, key in enumerate(ids.tolist(), start=first) if key}
    return Instances(
        (index.reshape(found.ids.shape) + first).astype(np.int32),
        {number[key]: kind for key, kind in found.classes.items() if key in number},
        {number[key]: score for key, score in found.scores.items() if key in number},
    )


def prediction_path(out: Path, record: Record) -> Path:
    """Where the prediction of a record is kept; a key with slashes gets folders of its own.
    Raises DataError where a key leads out of there.
    """
    return within(out / "predictions", f"{record.key}.tif")


def class_note(names: Sequence[str], predicted: Sequence[str] | None) -> str:
    """Why classes cannot be scored; empty where they can.

    Args:
        names: classes of the data set.
        predicted: classes of the predictions; None where they are the data set's.
    """
    if not names:
        return "the data set has no classes"
    if predicted is None or tuple(predicted) == tuple(names):
        return ""
    if not predicted:
        return "the predictions have no classes"
    return f"the predictions have other classes ({', '.join(predicted)}) than the data set"


def _write(contest: Contest, record: Record, found: Instances) -> None:
    about = {"classes": {str(key): kind for key, kind in found.classes.items()}}
    write_label_tiff(
        prediction_path(contest.out, record),
        found.ids,
        mpp=contest.domain.native_mpp(record),
        provenance=about if found.classes else None,
    )
