"""The runs of a cross-validation as one table: each image scored by the run that left it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histokit.errors import DataError, UsageError
from histokit.io.files import read_json
from histokit.io.runs import RunFolder
from histokit.metrics.correlation import correlate
from histokit.metrics.table import Empty, ImageScore, summarise
from histokit.metrics.tails import BY, tails
from histokit.metrics.tally import describe
from histokit.report.data import Report
from histokit.report.page import write_report
from histokit.run.compare import read_run
from histokit.run.evaluation.target import splits_of
from histokit.run.plan import RunPlan, plan_of_run


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """A cross-validation as one.

    Attributes:
        method: that was trained.
        folds: rounds that are here, and of how many.
        report: summaries, rows and tails over the images of all of them.
        page: of the report; None where none was written.
    """

    method: str
    folds: tuple[int, int]
    report: Report
    page: Path | None = None


def pool_folds(
    paths: Sequence[Path],
    *,
    out: Path | None = None,
    empty: Empty = "skip",
    wanted: int | None = None,
) -> CrossValidation:
    """One table of the scored images of several rounds.

    Args:
        paths: run folders of one method with one set of settings, each scored on its test part.
        out: folder of the report, which `compare` reads like that of a run; None for none.
        empty: what an image counts that is empty in truth and prediction.
        wanted: images in a tail; see `histokit.metrics.tails.tails`.

    Raises UsageError where the runs are not rounds of one cross-validation, DataError where a run
    was trained on an image that it scored, or two runs scored the same image.
    """
    plans = {path: _round(path) for path in paths}
    first = next(iter(plans.values()), None)
    if first is None or len(plans) < 2:
        raise UsageError(
            "these are not several rounds of a cross-validation", expected="two run folders or more"
        )
    _require_alike(plans)
    rows: list[ImageScore] = []
    owner: dict[str, Path] = {}
    for path in plans:
        own = read_run(path).rows
        _require_unseen(path, own)
        for key, row in own.items():
            if key in owner:
                raise DataError(
                    f"{key} was scored by two runs",
                    expected="rounds whose test parts do not overlap",
                    found=f"{owner[key]} and {path}",
                    hint="give each round of one --split-seed once; pool each --seed by itself",
                )
            owner[key] = path
            rows.append(row)
    report = _report(plans, rows, empty, wanted)
    page = write_report(out, report) if out is not None else None
    return CrossValidation(first.spec.name, (len(plans), first.run.folds), report, page)


def _round(path: Path) -> RunPlan:
    """The plan of a round. Raises UsageError where the run is none."""
    plan = plan_of_run(RunFolder.open(path).settings())
    if plan.run.fold is None:
        raise UsageError(
            f"{path} is no round of a cross-validation", expected="a run of `train --folds N`"
        )
    return plan


def _require_alike(plans: Mapping[Path, RunPlan]) -> None:
    """Raises UsageError where the plans differ in more than the round."""
    (path, first), *others = plans.items()
    for other, plan in others:
        if _whole(plan).digest() != _whole(first).digest():
            raise UsageError(
                f"{other} is a round of another cross-validation than {path}",
                expected="the same method, settings, data, seeds and number of folds",
                found=_difference(first, plan),
            )


def _whole(plan: RunPlan) -> RunPlan:
    return replace(plan, run=plan.run.model_copy(update={"fold": None}))


def _difference(first: RunPlan, second: RunPlan) -> str:
    if first.spec.name != second.spec.name:
        return f"{first.spec.name} and {second.spec.name}"
    values = [{**p.config.model_dump(), **p.run.model_dump()} for p in (first, second)]
    differ = [name for name in values[0] if name != "fold" and values[0][name] != values[1][name]]
    return "; ".join(f"{name} {values[0][name]} and {values[1][name]}" for name in differ)


def _require_unseen(path: Path, rows: Mapping[str, ImageScore]) -> None:
    """Raises DataError where the run learned from, or chose its weights on, what it scored."""
    learned = {
        key
        for item in read_json(path / "split.json").values()
        for _, split in splits_of(item)
        for part in ("train", "val")
        for key in split[part]
    }
    seen = sorted(learned & rows.keys())
    if seen:
        raise DataError(
            f"{path} scored images that it was trained on",
            expected="the test part of its round alone",
            found=f"{len(seen)} of {len(rows)} images, such as {seen[0]}",
            hint=f"histokit eval {path}",
        )


def _report(
    plans: Mapping[Path, RunPlan], rows: Sequence[ImageScore], empty: Empty, wanted: int | None
) -> Report:
    first = next(iter(plans.values()))
    scored_on = first.run.target or first.run.source
    metrics = describe(dict.fromkeys(name for row in rows for name in row.values))
    measures = [name for name, metric in metrics.items() if metric.direction == "none"]
    scores = [replace(row, values=_without(row.values, measures)) for row in rows]
    notes = [
        f"{len(plans)} of {first.run.folds} rounds of a cross-validation; each image was scored by "
        "the run that did not train on it"
    ]
    if len(plans) < first.run.folds:
        notes.append("the images of the other rounds are missing here")
    return Report(
        title=f"{first.spec.name}, cross-validated",
        subtitle=f"test images of {len(plans)} rounds on {scored_on}",
        summaries=summarise(scores, empty=empty, metrics=metrics),
        rows=rows,
        tails=None if wanted == 0 else tails(rows, wanted, dataset=scored_on.partition(":")[0]),
        correlations=[correlate(rows, name, BY) for name in measures],
        notes=notes,
        provenance={f"round {plan.run.fold}": str(path) for path, plan in plans.items()},
    )


def _without(values: Mapping[str, float | None], names: Sequence[str]) -> dict[str, float | None]:
    return {name: value for name, value in values.items() if name not in names}
