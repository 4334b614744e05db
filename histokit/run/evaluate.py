"""`histokit eval`: predictions against the truth, image by image, and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from histokit.errors import DataError, PartialFailure, UsageError
from histokit.io.files import require_folder
from histokit.metrics.papers import PAPERS
from histokit.metrics.table import Summary, summarise
from histokit.metrics.tally import described
from histokit.report.data import PaperTable, Report
from histokit.report.page import write_report
from histokit.run.domains import Domain
from histokit.run.evaluation.extras import with_extras
from histokit.run.evaluation.foreign import Predictions, find_predictions
from histokit.run.evaluation.measuring import Measure, measured_by
from histokit.run.evaluation.options import TRANSLATION_PAPERS, EvalOptions, Part
from histokit.run.evaluation.report import (
    curves,
    honesty,
    panels,
    provenance,
    report_folder,
    settings,
)
from histokit.run.evaluation.robustness import require_unperturbed, robustness
from histokit.run.evaluation.scoring import (
    Contest,
    Judged,
    Predict,
    class_note,
    judge,
    predicted_by,
)
from histokit.run.evaluation.target import open_target
from histokit.run.evaluation.translator import evaluate_translator, translates
from histokit.run.events import Evaluated, Event, ItemDone, ItemFailed, Noted
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, segmenter_of
from histokit.run.provenance import write_record
from histokit.run.translators import load_with

__all__ = ["EvalOptions", "Part", "evaluate"]

SHOWN = ("dice", "aji", "pq")
"""The scores that are told while images are worked on."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Whose predictions are scored and on what.

    Attributes:
        name: what they are called.
        trained: the method that makes them; None for those of another tool.
        domain: the data set.
        predict: makes or reads one.
        untyped: why classes cannot be scored; empty where they may.
        origin: a line that says where they come from.
        notes: further lines, for the report too.
        measure: what the method measures of an image beside its scores; None for nothing.
    """

    name: str
    trained: Trained | None
    domain: Domain
    predict: Predict
    untyped: str
    origin: str
    notes: list[str]
    measure: Measure | None = None


def evaluate(options: EvalOptions) -> Iterator[Event]:
    """Scores every image of the part and writes the report; ends with `Evaluated`.

    Raises PartialFailure after the report is written when images failed, DataError when all did.
    """
    if options.out is not None:
        require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = None if options.predictions else _loaded(options, machine)
    if trained is not None and translates(trained, options):
        require_unperturbed(options.perturb, "translations")
        yield from evaluate_translator(trained, options, machine)
        return
    _require_segmentation(options)
    entry = _foreign(options) if trained is None else _trained(trained, options, machine)
    yield from map(Noted, (entry.origin, *entry.notes))
    records = entry.domain.part(options.part)
    if not records:
        raise UsageError(
            f"the {options.part} part of {entry.domain.name} is empty",
            hint="--part all scores every image of the data set",
        )
    contest = _contest(options, entry)
    judged: list[Judged] = []
    for number, record in enumerate(records, 1):
        began = time.perf_counter()
        judged.append(judge(contest, record))
        yield _told(judged[-1], number, len(records), time.perf_counter() - began)
    report = _report(options, entry, contest, judged, machine)
    if trained is not None and options.perturb.kinds:
        plain = report.summaries
        found = yield from robustness(options, trained, contest, records, plain, machine)
        report = replace(report, robustness=found)
    page = write_report(contest.out, report)
    write_record(contest.out, machine, trained.card if trained else None)
    failed = sum(bool(one.error) for one in judged)
    domain = entry.domain.name
    yield Evaluated(page, report, entry.name, domain, options.part, len(judged), failed)
    _tell_failures(failed, len(judged), contest.out)


def _require_segmentation(options: EvalOptions) -> None:
    """Raises UsageError where something is asked that only translations have."""
    if options.paper in TRANSLATION_PAPERS:
        raise UsageError(
            f"--paper {options.paper} scores translations, not segmentations",
            expected="one of " + ", ".join(PAPERS),
        )
    if asked := options.translation.asked():
        raise UsageError(
            f"{', '.join(asked)} says how translations are scored",
            expected="a translator and a data set of pairs",
            found=options.ref or f"--predictions {options.predictions}",
        )


def _loaded(options: EvalOptions, machine: Machine) -> Trained:
    """The method that is named. Raises UsageError where none is."""
    if not options.ref:
        raise UsageError(
            "nothing to score",
            expected="a method, run folder or weights file, or --predictions FOLDER",
            hint="histokit eval METHOD --target NAME",
        )
    settings = options.translation.settings
    return load_with(options.ref, machine, options.runs, run=options.run, settings=settings)


def _trained(trained: Trained, options: EvalOptions, machine: Machine) -> _Entry:
    """A trained method, or one that needs no training."""
    segmenter = segmenter_of(trained)
    domain, notes = open_target(options, trained)
    predict = predicted_by(segmenter, domain, machine, options.windows)
    untyped = class_note(domain.classes, tuple(trained.card.get("classes", ())))
    measure = measured_by(
        trained.method, segmenter, domain, machine, options.windows, described(domain.classes)
    )
    return _Entry(
        trained.spec.name, trained, domain, predict, untyped, trained.note, notes, measure
    )


def _foreign(options: EvalOptions) -> _Entry:
    """A folder of predictions."""
    folder = options.predictions or Path()
    require_unperturbed(options.perturb, "the predictions of another tool")
    if options.ref or options.run:
        raise UsageError(
            "two things to score are named",
            found=f"{options.ref or options.run} and --predictions {folder}",
            hint="leave one of them out",
        )
    domain, notes = open_target(options, None)
    found = find_predictions(folder, options.format, domain.data.records())
    predict = partial(Predictions.read, found, class_names=domain.classes)
    name, untyped = folder.resolve().name, class_note(domain.classes, None)
    notes += [found.strange] if found.strange else []
    return _Entry(name, None, domain, predict, untyped, found.origin, notes)


def _contest(options: EvalOptions, entry: _Entry) -> Contest:
    """What is scored, with a folder for it that can be written and holds no input."""
    out = report_folder(options, entry.name, entry.trained, entry.domain)
    inputs = options.predictions
    if inputs and inputs.resolve() in (out.resolve(), (out / "predictions").resolve()):
        raise UsageError(
            f"the report would overwrite the predictions in {inputs}",
            hint="choose another folder: -o FOLDER",
        )
    require_folder(out)
    names = () if entry.untyped else entry.domain.classes
    nearest = options.paper == "hovernet"
    return Contest(entry.domain, entry.predict, names, out, nearest, entry.measure)


def _told(judged: Judged, number: int, total: int, seconds: float) -> Event:
    key = judged.record.key
    if judged.tally is None:
        return ItemFailed(key, number, total, judged.error)
    values = judged.tally.scores.values()
    return ItemDone(key, number, total, seconds, {name: values[name] for name in SHOWN})


def _report(
    options: EvalOptions,
    entry: _Entry,
    contest: Contest,
    judged: Sequence[Judged],
    machine: Machine,
) -> Report:
    """The report; classes are scored only where a prediction has one."""
    trained, domain = entry.trained, entry.domain
    untyped = entry.untyped
    if not untyped and not any(one.typed for one in judged):
        untyped = "the predictions have no classes"
    names = () if untyped else contest.names
    rows = [one.row(names) for one in judged]
    summaries = summarise(rows, empty=options.empty, metrics=described(names))
    notes = [*entry.notes, *honesty(trained, options, domain)]
    if domain.classes and untyped:
        notes.append(f"classes are not scored: {untyped}")
    report = Report(
        title=f"{entry.name} on {domain.name}",
        subtitle=f"{options.part} images of {domain.spec.summary}",
        settings=settings(trained),
        curves=curves(trained),
        summaries=summaries,
        rows=rows,
        panels=panels(domain, rows, contest.out),
        notes=notes,
        provenance=provenance(trained, options, machine),
        paper=_paper(options, judged, names, summaries, untyped),
    )
    return with_extras(report, options, trained, domain, judged, names)


def _paper(
    options: EvalOptions,
    judged: Sequence[Judged],
    names: tuple[str, ...],
    summaries: Sequence[Summary],
    untyped: str,
) -> PaperTable | None:
    """The table of the paper that was asked for."""
    if not options.paper or options.paper in TRANSLATION_PAPERS:
        return None
    tallies = [one.tally for one in judged if one.tally is not None]
    means = {summary.metric: summary.mean for summary in summaries}
    rows = PAPERS[options.paper](tallies, names, means)
    left_out = [f"its class metrics need classes, and {untyped}"] if untyped else []
    if options.paper == "pannuke" and not any(one.stratum for one in tallies):
        left_out.append(
            "its means by tissue need tissues, which the data set's reader does not tell"
        )
    return PaperTable(options.paper, rows, "; ".join(left_out))


def _tell_failures(failed: int, total: int, out: Path) -> None:
    if failed:
        kind = DataError if failed == total else PartialFailure
        raise kind(
            f"{failed} of {total} images could not be scored; the report counts them",
            found=str(out / "per_image.csv"),
        )
