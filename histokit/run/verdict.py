"""What a comparison of runs comes to, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from histokit.metrics.paired import Paired
from histokit.metrics.scores import Metric
from histokit.report.comparison import Duel, Entrant, p_value, percent, signed, span
from histokit.report.tables import label, number

ALPHA = 0.05
"""A corrected p below it counts as a difference."""
CEILING = "oracle"
"""The method that has seen the target's labels; it is no rival where there are two others."""
CONTROL = "source-only"


def verdict(metric: Metric, entrants: Sequence[Entrant], duels: Sequence[Duel]) -> str:
    """Says which run is best (of a number without a better or worse, which has the highest one)
    and whether it differs from source-only, or from the next best.

    The oracle takes part only where fewer than two others do.
    """
    rivals = [entrant for entrant in entrants if entrant.method != CEILING]
    rivals = rivals if len(rivals) > 1 else list(entrants)
    higher = metric.direction != "lower"
    ranked = sorted(rivals, key=lambda e: -e.mean if higher else e.mean)
    best, other = ranked[0], _opponent(ranked)
    duel = next(d for d in duels if {d.first, d.second} == {best.name, other.name})
    name = label(metric.name)
    place = "highest" if metric.direction == "none" else "best"
    sentences = [
        f"{best.name} has the {place} mean {name}, {number(best.mean, metric.unit)}, on "
        f"{duel.found.n} images of {_count(duel.found.n_units, 'group')}.",
        _difference(best, other, duel, metric),
    ]
    if best.gap_closed is not None and best.method not in (CEILING, CONTROL):
        sentences.append(
            f"It closes {percent(best.gap_closed)} of the gap between {CONTROL} and {CEILING}."
        )
    if all(a == b for a, b in zip(best.values.values(), other.values.values(), strict=True)):
        sentences = sentences[1:]
    return " ".join(sentences)


def _opponent(ranked: Sequence[Entrant]) -> Entrant:
    """Source-only where it is not the best itself, else the next best."""
    controls = [entrant for entrant in ranked[1:] if entrant.method == CONTROL]
    return controls[0] if controls and ranked[0].method != CONTROL else ranked[1]


def _difference(best: Entrant, other: Entrant, duel: Duel, metric: Metric) -> str:
    found, p = duel.found, duel.p_permutation
    if best.values == other.values:
        return f"{best.name} and {other.name} score the same on every one of {found.n} images."
    turned = -1 if duel.second == other.name else 1
    gain = signed(turned * found.difference, metric.unit)
    low, high = (found.low, found.high) if turned == 1 else _turned(found)
    between = f"{gain} against {other.name}"
    if low is not None:
        between += f" ({found.level:.0%} interval {span(low, high, metric.unit)})"
    if p is None:
        return f"That is {between}, but images of a single group allow no test."
    corrected = f"permutation p {_equals(p)} after Holm's correction"
    if p < ALPHA:
        return f"That is {between}, a difference beyond chance: {corrected}."
    few = "" if found.least_p < ALPHA else (
        f"; {_count(found.n_units, 'group')} are too few for any difference to reach {ALPHA}"
    )  # fmt: skip
    return f"That is {between}, which cannot be told from chance: {corrected}{few}."


def _turned(found: Paired) -> tuple[float | None, float | None]:
    if found.low is None or found.high is None:
        return None, None
    return -found.high, -found.low


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _count(number_: int, noun: str) -> str:
    return f"{number_} {noun}" if number_ == 1 else f"{number_} {noun}s"
