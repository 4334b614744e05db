"""What the report of an evaluation holds beside the scores: tails, correlations, facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from histokit.metrics.correlation import correlate
from histokit.metrics.tails import BY, tails
from histokit.report.data import Report
from histokit.run.domains import Domain
from histokit.run.evaluation.measuring import facts_of
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.scoring import Judged
from histokit.run.models import Trained


def with_extras(
    report: Report,
    options: EvalOptions,
    trained: Trained | None,
    domain: Domain,
    judged: Sequence[Judged],
    names: tuple[str, ...],
) -> Report:
    """The report with its worst-off and best-off images, and with what the method measures and
    tells of itself; `names` are those of the scored classes.
    """
    measures = list(dict.fromkeys(name for one in judged for name in one.measured))
    rows = [one.full_row(names) for one in judged]
    return replace(
        report,
        rows=rows,
        tails=None if options.tails == 0 else tails(rows, options.tails, dataset=domain.name),
        correlations=[correlate(rows, name, BY) for name in measures],
        facts=facts_of(trained.method) if trained else {},
    )
