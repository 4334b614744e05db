"""The words and numbers of the report's tables, and which images it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from histokit.metrics import METRICS, ImageScore, Summary
from histokit.metrics.images import IMAGE_METRICS
from histokit.report.data import ComparisonRow, PaperTable

NOTHING = "–"

_LABELS = {
    "dice": "Dice",
    "dice2": "Dice2",
    "iou": "IoU",
    "aji_plus": "AJI+",
    "f_d": "F_d",
    "f_c": "F_c",
    "bpq": "bPQ",
    "mpq": "mPQ",
    "mpq_plus": "mPQ+",
    "pq_plus": "PQ+",
    "r2": "R²",
    "accuracy": "Accuracy",
    "dab_od_corr": "DAB correlation",
    "dab_block_corr": "DAB correlation of blocks",
    "dab_amount_corr": "DAB amount correlation",
    "positive_fraction_err": "Positive area error",
    "stain_h_ssim": "Haematoxylin SSIM",
    "nuclei_kept": "Nuclei kept",
    "nuclei_count_rel_err": "Nuclei count error",
    "ssim_uniform": "SSIM, uniform window",
    "seam": "Seam index",
}
_PAPERS = {"hovernet": "HoVer-Net", "pannuke": "PanNuke", "conic": "CoNIC"}

_EMPTY_RULES = {
    "skip": "An image without nuclei in truth and prediction has no score: it is skipped.",
    "one": "An image without nuclei in truth and prediction scores 1.",
    "zero": "An image without nuclei in truth and prediction scores 0.",
}

_UNDEFINED = "An image for which a metric is not defined is skipped and counted."


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """One metric as printed. `place` holds low, mean and high in 0..100, or None."""

    label: str
    arrow: str
    variant: str
    unit: str
    mean: str
    interval: str
    n: int
    n_skipped: int
    n_failed: int
    n_groups: int
    place: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A mean with its interval as printed."""

    mean: str
    interval: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods against metrics as printed; `lines` holds method, n and one cell a metric."""

    labels: tuple[str, ...]
    lines: tuple[tuple[str, int, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper's metrics as printed.

    Attributes:
        name: of the paper.
        lines: metric, value by the paper, value by us, images.
        formulas: the metrics that share a pair of formulas, the paper's and ours.
        note: what is left out, and why.
        file: where the table lies.
    """

    name: str
    lines: tuple[tuple[str, str, str, int], ...]
    formulas: tuple[tuple[str, str, str], ...]
    note: str
    file: str


def label(metric: str) -> str:
    """A metric's name as papers print it, with the class, tissue or fold it is of."""
    name, colon, kind = metric.partition(":")
    name, _, part = name.partition("@") if not colon else (name, "", "")
    return " ".join(filter(None, (_LABELS.get(name, name.upper().replace("_", " ")), kind, part)))


def paper_file(table: PaperTable) -> str:
    """The name of a paper's table beside the page."""
    return f"paper_{table.name}.csv"


def paper(table: PaperTable) -> Paper:
    """A paper's table; each pair of formulas is told once."""
    lines = []
    shared: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        values = number(row.paper, row.unit), number(row.ours, row.unit)
        lines.append((label(row.metric), *values, row.n))
        shared.setdefault((row.formula, row.our_formula), []).append(label(row.metric))
    return Paper(
        name=_PAPERS[table.name],
        lines=tuple(lines),
        formulas=tuple((", ".join(names), *pair) for pair, names in shared.items()),
        note=table.note,
        file=paper_file(table),
    )


def number(value: float | None, unit: str = "fraction") -> str:
    """A value as printed: three decimals for fractions, four digits otherwise."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if unit == "fraction" else f"{value:.4g}"


def headline(summaries: Sequence[Summary]) -> list[HeadlineRow]:
    """One printed row for each summary."""
    return [
        HeadlineRow(
            label=label(s.metric),
            arrow={"higher": "↑", "lower": "↓", "none": ""}[s.direction],
            variant=s.variant,
            unit="" if s.unit == "fraction" else s.unit,
            mean=number(s.mean, s.unit),
            interval=_interval(s),
            n=s.n,
            n_skipped=s.n_skipped,
            n_failed=s.n_failed,
            n_groups=s.n_groups,
            place=_place(s),
        )
        for s in summaries
    ]


def footnotes(summaries: Sequence[Summary]) -> list[str]:
    """What the headline table rests on: intervals and the rule for empty images, each said once."""
    notes = [f"Intervals: {s.interval_note}." for s in summaries if s.low is not None]
    for s in summaries:
        if s.low is None:
            rest = s.interval_note.removeprefix("no interval: ")
            notes.append(f"No interval for {label(s.metric)}: {rest}.")
    notes += [_UNDEFINED if s.metric in IMAGE_METRICS else _EMPTY_RULES[s.empty] for s in summaries]
    return list(dict.fromkeys(notes))


def comparison(rows: Sequence[ComparisonRow]) -> Comparison:
    """The table of methods against every metric that one of them has."""
    metrics = list(dict.fromkeys(name for row in rows for name in row.summaries))
    lines = tuple(
        (row.method, row.n, tuple(cell(row.summaries.get(name)) for name in metrics))
        for row in rows
    )
    return Comparison(tuple(label(name) for name in metrics), lines)


def failures(rows: Sequence[ImageScore]) -> list[ImageScore]:
    """The images that failed."""
    return [row for row in rows if row.error]


def pick_panels(rows: Sequence[ImageScore], metric: str = "pq") -> dict[str, str]:
    """The keys of the best, median and worst image by label, best first.

    Failed and undefined images are no candidates. An even count takes the better of the two in the
    middle; two images give best and worst, one image ``only``, none an empty mapping.
    """
    candidates = [(row.values.get(metric), row.key) for row in rows if not row.error]
    scored = [(value, key) for value, key in candidates if value is not None]
    higher = metric not in METRICS or METRICS[metric].direction == "higher"
    ranked = [key for _, key in sorted(scored, key=lambda s: (-s[0] if higher else s[0], s[1]))]
    if len(ranked) == 0:
        return {}
    if len(ranked) == 1:
        return {"only": ranked[0]}
    middle = {"median": ranked[(len(ranked) - 1) // 2]} if len(ranked) > 2 else {}
    return {"best": ranked[0], **middle, "worst": ranked[-1]}


def cell(summary: Summary | None) -> Cell:
    """A summary as printed; a dash where there is none."""
    if summary is None:
        return Cell(NOTHING, "")
    return Cell(number(summary.mean, summary.unit), _interval(summary))


def _interval(summary: Summary) -> str:
    """The bounds as printed, or a dash."""
    if summary.low is None or summary.high is None:
        return NOTHING
    return f"{number(summary.low, summary.unit)} – {number(summary.high, summary.unit)}"


def _place(summary: Summary) -> tuple[float, float, float] | None:
    """Where the bounds and the mean lie on a scale of 0 to 100, for fractions."""
    if summary.unit != "fraction" or summary.mean is None:
        return None
    low = summary.mean if summary.low is None else summary.low
    high = summary.mean if summary.high is None else summary.high
    return 100 * low, 100 * summary.mean, 100 * high
