"""`histokit eval` for a translator: its images against the other stain of a data set of pairs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from histokit.errors import (
    ConfigError,
    ContractError,
    DataError,
    DeviceError,
    HistokitError,
    PartialFailure,
    UsageError,
)
from histokit.interfaces import Record, Translator
from histokit.io.files import DiskError, require_folder
from histokit.io.pictures import write_picture
from histokit.metrics.images.measures import SEAM
from histokit.metrics.table import ImageScore
from histokit.registry.datasets import find_dataset
from histokit.registry.refs import parse_pool
from histokit.report.page import TABLE, write_report
from histokit.run.domains import Domain
from histokit.run.evaluation.nuclei import NucleiFinder, nuclei_finder
from histokit.run.evaluation.options import TRANSLATION_PAPERS, EvalOptions
from histokit.run.evaluation.pair_scorer import PairImages, PairScorer, shown
from histokit.run.evaluation.report import report_folder
from histokit.run.evaluation.set_distances import Paper, as_rgb
from histokit.run.evaluation.target import open_target, own_target, run_settings
from histokit.run.evaluation.translation_report import Outcome, translation_path, translation_report
from histokit.run.events import Evaluated, Event, ItemDone, ItemFailed, Noted
from histokit.run.machine import Machine
from histokit.run.models import Trained
from histokit.run.norms import InstanceNorms
from histokit.run.provenance import write_record
from histokit.run.translate_image import translate_image
from histokit.run.translators import shared_norms, translator_of


@dataclass(frozen=True, slots=True)
class _Work:
    """What translates, what finds nuclei, what scores, and on what."""

    trained: Trained
    translator: Translator
    norms: InstanceNorms | None
    nuclei: NucleiFinder | None
    scorer: PairScorer
    domain: Domain
    options: EvalOptions
    machine: Machine
    out: Path


def translates(trained: Trained, options: EvalOptions) -> bool:
    """Whether `eval` scores translations of a method: it does nothing else, or it translates and
    the data set is one of pairs.
    """
    if "translator" not in trained.spec.roles:
        return False
    target = options.target or own_target(run_settings(trained))
    pairs = bool(target) and find_dataset(parse_pool(target)[0].name).task == "pairs"
    return pairs or trained.spec.roles == ("translator",)


def evaluate_translator(
    trained: Trained, options: EvalOptions, machine: Machine
) -> Iterator[Event]:
    """Translates and scores every pair of the part and writes the report; ends with `Evaluated`.

    Raises PartialFailure after the report is written when pairs failed, DataError when all did;
    UsageError where the data set is not one of pairs or the paper not one of translation.
    """
    translator = translator_of(trained)
    paper = _paper(options)
    domain, notes = open_target(options, trained)
    if domain.spec.task != "pairs":
        raise UsageError(
            f"{trained.spec.name} translates, and {domain.name} has nothing to compare with",
            expected="a data set of pairs",
            found=f"one of {domain.spec.task}",
            hint="see `histokit data list` for data sets of pairs",
        )
    records = domain.part(options.part)
    if not records:
        raise UsageError(
            f"the {options.part} part of {domain.name} is empty",
            hint="--part all scores every image of the data set",
        )
    how = options.translation
    nuclei, told = (None, "") if paper else nuclei_finder(how.nuclei, machine, options.runs)
    out = report_folder(options, trained.spec.name, trained, domain)
    _require_outside(out, records)
    require_folder(out)
    scorer = PairScorer(paper, how.networks, machine.device, stains=how.stains)
    norms = shared_norms(trained, how.norm)
    work = _Work(trained, translator, norms, nuclei, scorer, domain, options, machine, out)
    notes += [told] if told else []
    yield from map(Noted, (trained.note, *notes))
    rows = yield from _scored(work, records)
    outcome = Outcome(rows, scorer.set_rows(), nuclei, notes, out)
    report = translation_report(trained, options, domain, machine, outcome)
    page = write_report(out, report)
    write_record(out, machine, trained.card)
    failed = sum(bool(row.error) for row in rows)
    yield Evaluated(page, report, trained.spec.name, domain.name, options.part, len(rows), failed)
    _tell_failures(failed, len(rows), out)


def _paper(options: EvalOptions) -> Paper:
    for paper in TRANSLATION_PAPERS:
        if options.paper == paper:
            return paper
    if options.paper:
        raise UsageError(
            f"--paper {options.paper} scores segmentations, not translations",
            expected="one of " + ", ".join(TRANSLATION_PAPERS),
        )
    return ""


def _require_outside(out: Path, records: Sequence[Record]) -> None:
    """Raises DataError where translations would be written among the images of the data set."""
    for folder in {record.image.parent for record in records if record.image is not None}:
        if out.resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"the output folder {out} lies inside the input folder {folder}",
                hint="choose an output folder outside it: -o FOLDER",
            )


def _scored(work: _Work, records: Sequence[Record]) -> Generator[Event, None, list[ImageScore]]:
    """Scores the records one by one; gives their rows."""
    rows: list[ImageScore] = []
    for number, record in enumerate(records, 1):
        began = time.perf_counter()
        try:
            values = _one(work, record)
        except (DeviceError, ConfigError, ContractError, DiskError):
            raise
        except HistokitError as error:
            rows.append(ImageScore(record.key, record.group, {}, str(error)))
            yield ItemFailed(record.key, number, len(records), str(error))
            continue
        rows.append(ImageScore(record.key, record.group, values))
        seconds = time.perf_counter() - began
        yield ItemDone(record.key, number, len(records), seconds, shown(values))
    return _without_seams(rows)


def _one(work: _Work, record: Record) -> dict[str, float | None]:
    """The values of one pair; its translation is written."""
    windows, domain = work.options.translation.windows, work.domain
    source, reference = domain.image(record), domain.counterpart(record)
    done = translate_image(work.translator, source, work.machine, windows, work.norms)
    output = as_rgb(done.image)
    pair = PairImages(output, reference, source)
    if work.nuclei is not None:
        ids = (work.nuclei.find(image) for image in (output, reference, source))
        pair = PairImages(output, reference, source, *ids)
    values = work.scorer.add(record.key, pair)
    path = translation_path(work.out, record)
    write_picture(path, output, "png", mpp=domain.mpp or domain.native_mpp(record))
    seam = done.seam if done.seam is not None and math.isfinite(done.seam) else None
    return {**values, SEAM.name: seam}


def _without_seams(rows: Sequence[ImageScore]) -> list[ImageScore]:
    """The rows without the seam index where no image took several windows."""
    if any(row.values.get(SEAM.name) is not None for row in rows):
        return list(rows)
    return [
        replace(row, values={k: v for k, v in row.values.items() if k != SEAM.name}) for row in rows
    ]


def _tell_failures(failed: int, total: int, out: Path) -> None:
    if failed:
        kind = DataError if failed == total else PartialFailure
        raise kind(
            f"{failed} of {total} pairs could not be scored; the report counts them",
            found=str(out / TABLE),
        )
