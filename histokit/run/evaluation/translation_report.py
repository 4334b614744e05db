"""The report of a translator: its notes, scores, and trust pictures of a few images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histokit.interfaces import Record
from histokit.io.images import read_image
from histokit.metrics.images import IMAGE_METRICS, Row
from histokit.metrics.images.distances import ENOUGH
from histokit.metrics.table import ImageScore, summarise
from histokit.report.data import Report, TrustPanel
from histokit.report.tables import pick_panels
from histokit.run.domains import Domain
from histokit.run.evaluation.nuclei import NucleiFinder
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.report import curves, provenance, settings, weights_notes
from histokit.run.machine import Machine
from histokit.run.models import Trained

HEADLINES = ("dab_od_corr", "psnr", "ssim_uniform")
"""The metrics by which best, median and worst image are picked: the first one that there is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a part of a data set.

    Attributes:
        rows: the values of each pair.
        sets: those of all pairs together.
        nuclei: what found nuclei, or None.
        notes: lines that were told.
        out: folder of the report, with the translations.
    """

    rows: Sequence[ImageScore]
    sets: Sequence[Row]
    nuclei: NucleiFinder | None
    notes: Sequence[str]
    out: Path


def translation_path(out: Path, record: Record) -> Path:
    """Where the translation of a record is written."""
    return out / "translations" / f"{record.key.replace('/', '_')}.png"


def translation_report(
    trained: Trained,
    options: EvalOptions,
    domain: Domain,
    machine: Machine,
    outcome: Outcome,
) -> Report:
    """The report; the translations are read back from the folder."""
    rows = outcome.rows
    return Report(
        title=f"{trained.spec.name} on {domain.name}",
        subtitle=f"{options.part} pairs of {domain.spec.summary}",
        settings=settings(trained),
        curves=curves(trained),
        summaries=summarise(rows, metrics=IMAGE_METRICS),
        rows=rows,
        notes=[*_honesty(trained, options, domain, rows), *outcome.notes],
        provenance=provenance(trained, options, machine),
        sets=outcome.sets,
        trust=_trust(domain, outcome),
    )


def _honesty(
    trained: Trained, options: EvalOptions, domain: Domain, rows: Sequence[ImageScore]
) -> list[str]:
    """What a reader must know to judge the numbers."""
    how = options.translation
    n = sum(not row.error for row in rows)
    notes = [f"{options.part} part, split by {domain.spec.group}: {n} pairs"]
    notes += weights_notes(trained)
    notes.append(f"windows of {how.windows.side} px; instance norms of the {how.norm}")
    if options.paper:
        notes.append(
            f"only the metrics of {options.paper}, as its code computes them, on translations in "
            "evaluation mode and rounded to 8 bits"
        )
    else:
        notes.append(
            "values taken pixel by pixel (DAB correlation, PSNR, SSIM, LPIPS) are worth as much "
            "as the two images of a pair lie on each other"
        )
    if n < ENOUGH:
        notes.append(f"{n} pairs are too few for FID (below {ENOUGH}); look at KID")
    if how.settings:
        notes.append(", ".join(f"{name} = {value}" for name, value in how.settings.items()))
    return notes


def _trust(domain: Domain, outcome: Outcome) -> list[TrustPanel]:
    """Best, median and worst image by the first headline that one has."""
    rows = outcome.rows
    known = {name for row in rows for name, value in row.values.items() if value is not None}
    metric = next((name for name in HEADLINES if name in known), HEADLINES[-1])
    records = {record.key: record for record in domain.part("all")}
    values = {row.key: row.values.get(metric) for row in rows}
    return [
        _panel(domain, records[key], outcome, label, metric, values[key])
        for label, key in pick_panels(rows, metric).items()
    ]


def _panel(
    domain: Domain,
    record: Record,
    outcome: Outcome,
    label: str,
    metric: str,
    score: float | None,
) -> TrustPanel:
    output = read_image(translation_path(outcome.out, record))
    reference, nuclei = domain.counterpart(record), outcome.nuclei
    return TrustPanel(
        label=label,
        key=record.key,
        score=score,
        metric=metric,
        source=domain.image(record),
        output=output,
        reference=reference,
        segmenter=nuclei.name if nuclei else "",
        output_ids=nuclei.find(output) if nuclei else None,
        reference_ids=nuclei.find(reference) if nuclei else None,
    )
