"""How much of a score is left when images get worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from histokit.metrics.table import Summary


@dataclass(frozen=True, slots=True)
class Level:
    """The scores at one level of a perturbation.

    Attributes:
        level: 0 for the images as they are.
        change: what is done to the images, in words.
        summaries: by metric, with bootstrap intervals.
    """

    level: int
    change: str
    summaries: Mapping[str, Summary]


@dataclass(frozen=True, slots=True)
class Robustness:
    """The scores under perturbations.

    Attributes:
        kinds: by perturbation, its levels from 0 on, all of them.
        seed: of what was drawn.
    """

    kinds: Mapping[str, Sequence[Level]]
    seed: int

    @property
    def metrics(self) -> list[str]:
        """Names of the scores, in their order."""
        levels = next(iter(self.kinds.values()))
        return list(levels[0].summaries)


def relative_drop(levels: Sequence[Level], metric: str, level: int) -> float | None:
    """The share of the score at level 0 that a level has lost; below 0 where it gained.

    None where there is no such score, or it is 0.
    """
    first, then = (levels[place].summaries[metric].mean for place in (0, level))
    return None if not first or then is None else (first - then) / first


def area(levels: Sequence[Level], metric: str) -> float | None:
    """The area under the means over levels 0..L scaled to 0..1, by trapezoids.

    So a score that does not fall has its own value as the area. None where a level has no score.
    """
    means = [one.summaries[metric].mean for one in levels]
    known = [mean for mean in means if mean is not None]
    if len(known) < len(means) or len(means) < 2:
        return None
    return (sum(known) - (known[0] + known[-1]) / 2) / (len(known) - 1)
