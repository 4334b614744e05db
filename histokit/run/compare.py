"""`histokit compare`: runs against each other on the images that all of them scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum
from pathlib import Path

from histokit.errors import DataError, UnknownName, UsageError
from histokit.io.runs import RunFolder
from histokit.metrics.bootstrap import mean_interval
from histokit.metrics.paired import holm, paired, unit_of
from histokit.metrics.scores import Direction, Metric
from histokit.metrics.table import Empty, ImageScore, read_per_image_csv
from histokit.metrics.tails import BY, Tails, tails
from histokit.metrics.tally import describe
from histokit.report.comparison import Comparison, Duel, Entrant
from histokit.run.verdict import verdict

TABLE = "per_image.csv"
HEADLINES = ("dice", "dab_od_corr", "psnr")
"""What segmenters, and then translators, are compared by where nothing is named."""
SOURCE_ONLY, ORACLE = "source-only", "oracle"
"""The methods between which the gap lies."""
_STAND_IN: Mapping[Empty, float | None] = {"skip": None, "one": 1.0, "zero": 0.0}


@dataclass(frozen=True, slots=True)
class Scored:
    """One run as read: its folder, its method (empty where unknown), and its rows by key."""

    path: Path
    method: str
    rows: Mapping[str, ImageScore]


def compare(
    paths: Sequence[Path],
    *,
    metric: str = "",
    empty: Empty = "skip",
    seed: int = 0,
    wanted: int | None = None,
) -> Comparison:
    """Every pair of runs, on the images common to all.

    Args:
        paths: run folders, report folders or per_image.csv files; two at least.
        metric: name of the score; empty for the first of `HEADLINES` that all runs have.
        empty: what an image counts that is empty in truth and prediction.
        seed: of the bootstrap and of permutations that are drawn.
        wanted: images in a tail, see `histokit.metrics.tails.tails`; 0 for none.

    Raises UsageError for fewer than two runs, UnknownName for a metric that no run has, DataError
    where a run has no scores or no image is common to all.
    """
    if len(paths) < 2:
        raise UsageError(
            "one run cannot be compared", expected="two run folders or more",
            hint="histokit compare RUN RUN; see `histokit runs list`",
        )  # fmt: skip
    runs = [read_run(path) for path in paths]
    described = _metric(metric, runs)
    metric = described.name
    stand_in = None if described.direction == "none" else _STAND_IN[empty]
    values = [_values(run, metric, stand_in) for run in runs]
    common = [key for key in values[0] if all(key in others for others in values[1:])]
    if not common:
        raise _disjoint(runs)
    units = [unit_of(runs[0].rows[key]) for key in common]
    aligned = [{key: one[key] for key in common} for one in values]
    entrants = _entrants(runs, aligned, units, seed, described.direction)
    duels = _duels(entrants, units, seed)
    left_out = _left_out(runs, metric, set(common))
    return Comparison(
        metric=described,
        entrants=entrants,
        duels=duels,
        n=len(common),
        n_units=len(set(units)),
        left_out=left_out,
        verdict=verdict(described, entrants, duels),
        notes=_notes(runs, common, left_out),
        tails=_tails(runs, common, wanted),
    )


def _tails(runs: Sequence[Scored], common: Sequence[str], wanted: int | None) -> dict[str, Tails]:
    """The worst-off and best-off common images by the first run, of each run by its name."""
    known = [[run.rows[key] for key in common] for run in runs]
    ranking = {row.key: v for row in known[0] if (v := row.values.get(BY)) is not None}
    found = [None if wanted == 0 else tails(rows, wanted, ranked_by=ranking) for rows in known]
    named = zip(_names(runs), found, strict=True)
    return {} if None in found else {name: one for name, one in named if one is not None}


def read_run(path: Path) -> Scored:
    """The scores of a run. Raises DataError, saying which command makes them, without any."""
    if (path / "run.yaml").is_file():
        method, table = str(RunFolder(path).settings()["method"]), path / "report" / TABLE
    else:
        method, table = "", path if path.suffix == ".csv" else path / TABLE
        if not table.is_file() and (path / "report" / TABLE).is_file():
            table = path / "report" / TABLE
    if not table.is_file():
        raise DataError(
            f"{path} has no scores",
            expected=str(table),
            found="no such file" if path.exists() else "no such folder",
            hint=f"histokit eval {path} --target NAME" if path.exists() else "histokit runs list",
        )
    rows: dict[str, ImageScore] = {}
    for row in read_per_image_csv(table):
        if row.key in rows:
            raise DataError(f"{table} names an image twice", found=row.key)
        rows[row.key] = row
    return Scored(path, method, rows)


def _metric(name: str, runs: Sequence[Scored]) -> Metric:
    tables = [{m for row in run.rows.values() for m in row.values} for run in runs]
    for run, known in zip(runs, tables, strict=True):
        if not known:
            raise DataError(
                f"{run.path} has no scores", found="a table in which every image failed"
            )
    shared = set.intersection(*tables)
    name = name or next((n for n in HEADLINES if n in shared), HEADLINES[0])
    if name not in shared:
        raise UnknownName("metric that all runs have", name, shared)
    return describe([name])[name]


def _values(run: Scored, metric: str, stand_in: float | None) -> dict[str, float]:
    """The defined values of a run, by key."""
    found = {}
    for key, row in run.rows.items():
        if row.error or metric not in row.values:
            continue
        value = row.values[metric]
        value = stand_in if value is None else value
        if value is not None:
            found[key] = value
    return found


def _disjoint(runs: Sequence[Scored]) -> DataError:
    examples = "; ".join(
        f"{run.path}: {len(run.rows)} images"
        + (f" such as {next(iter(run.rows))}" if run.rows else "")
        for run in runs
    )
    return DataError(
        "these runs have no scored image in common",
        expected="runs that were scored on the same images",
        found=examples,
        hint="score each run on one target: histokit eval RUN --target NAME",
    )


def _entrants(
    runs: Sequence[Scored],
    values: Sequence[Mapping[str, float]],
    units: Sequence[str],
    seed: int,
    direction: Direction,
) -> list[Entrant]:
    means = [fsum(one.values()) / len(one) for one in values]
    ends = [
        [mean for run, mean in zip(runs, means, strict=True) if run.method == method]
        for method in (SOURCE_ONLY, ORACLE)
    ]
    entrants = []
    for run, name, found, mean in zip(runs, _names(runs), values, means, strict=True):
        low, high = mean_interval(list(found.values()), units, seed=seed) or (None, None)
        failed = sum(bool(row.error) for row in run.rows.values())
        higher = direction == "higher"
        gap = None if direction == "none" else gap_closed(mean, *ends, higher=higher)
        entrants.append(
            Entrant(name, run.method, run.path, found, mean, low, high, gap, len(run.rows), failed)
        )
    return entrants


def gap_closed(
    mean: float, source_only: Sequence[float], oracle: Sequence[float], *, higher: bool = True
) -> float | None:
    """Percent of the way from source-only (the mean over its runs) to oracle; 0 for the one and
    100 for the other. None where either is missing or oracle is not the better of the two.
    """
    if not source_only or not oracle:
        return None
    start, end = fsum(source_only) / len(source_only), fsum(oracle) / len(oracle)
    gap = end - start if higher else start - end
    return 100 * (mean - start) / (end - start) if gap > 0 else None


def _names(runs: Sequence[Scored]) -> list[str]:
    """The method of each run, or its folder; numbered where two would be the same."""
    plain = [run.method or (run.path.stem if run.path.suffix else run.path.name) for run in runs]
    return [
        name if plain.count(name) == 1 else f"{name} ({plain[: place + 1].count(name)})"
        for place, name in enumerate(plain)
    ]


def _duels(entrants: Sequence[Entrant], units: Sequence[str], seed: int) -> list[Duel]:
    pairs = list(combinations(entrants, 2))
    found = [
        paired(list(a.values.values()), list(b.values.values()), units, seed=seed) for a, b in pairs
    ]
    permutation = holm([one.p_permutation for one in found])
    ranks = holm([one.p_wilcoxon for one in found])
    rows = zip(pairs, found, permutation, ranks, strict=True)
    return [Duel(a.name, b.name, one, p, q) for (a, b), one, p, q in rows]


def _left_out(runs: Sequence[Scored], metric: str, common: set[str]) -> dict[str, Sequence[str]]:
    """Every image that is not common, once, by the first reason that holds."""
    reasons: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for run in runs for key in run.rows):
        if key in common:
            continue
        rows = [run.rows.get(key) for run in runs]
        if any(row is None for row in rows):
            reason = "not in every run"
        elif any(row is not None and row.error for row in rows):
            reason = "failed in a run"
        else:
            reason = f"{metric} is undefined in a run"
        reasons.setdefault(reason, []).append(key)
    return {reason: sorted(keys) for reason, keys in reasons.items()}


def _notes(
    runs: Sequence[Scored], common: Sequence[str], left_out: Mapping[str, Sequence[str]]
) -> list[str]:
    notes = []
    if left_out:
        reasons = ", ".join(f"{len(keys)} {reason}" for reason, keys in left_out.items())
        total = sum(map(len, left_out.values()))
        notes.append(f"{total} of {total + len(common)} images are left out: {reasons}")
    regrouped = [key for key in common if len({run.rows[key].group for run in runs}) > 1]
    if regrouped:
        notes.append(
            f"the runs disagree on the group of {len(regrouped)} images, such as {regrouped[0]}; "
            "the groups of the first run are taken"
        )
    ends = {method: sum(run.method == method for run in runs) for method in (SOURCE_ONLY, ORACLE)}
    several = [f"{count} runs of {method}" for method, count in ends.items() if count > 1]
    if several and all(ends.values()):
        notes.append(f"an end of the gap is the mean over {' and '.join(several)}")
    return notes
