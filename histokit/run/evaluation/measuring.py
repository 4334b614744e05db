"""What a method measures of images beside their scores, and what it tells of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.data.colour import as_grey
from histokit.data.windows import truth_of
from histokit.errors import ContractError
from histokit.interfaces import Labelled, Method, Record, Segmenter
from histokit.run.domains import Domain
from histokit.run.infer import LOWER, Windows
from histokit.run.machine import Machine, told_out_of_memory
from histokit.tiling.grid import Grid, cut, grid

Measured: TypeAlias = dict[str, float | None]
"""By name, the mean over the windows of an image; None where no window has a value."""
Measure: TypeAlias = Callable[[Record], Measured]
"""Measures one image of a data set."""


def measured_by(
    method: Method,
    segmenter: Segmenter,
    domain: Domain,
    machine: Machine,
    windows: Windows,
    scores: Iterable[str],
) -> Measure | None:
    """Takes the method's `measures` of whole images, window by window; None where it has none.

    Args:
        method: in evaluation mode.
        segmenter: what it segments with, whose sizes and channels hold here, too.
        domain: the data set, at the pixel size of the weights.
        machine: where the method runs.
        windows: how images are cut.
        scores: names that are taken.
    """
    if type(method).measures is Method.measures:
        return None
    return _Measuring(method, segmenter, domain, machine, windows, frozenset(scores))


def facts_of(method: Method) -> dict[str, dict[str, float]]:
    """What the method tells of itself. Raises ContractError where a number is not finite."""
    found = {title: dict(table) for title, table in method.facts().items()}
    broken = [
        f"{title}, {name}: {value}"
        for title, table in found.items()
        for name, value in table.items()
        if not math.isfinite(value)
    ]
    if broken:
        raise _broken("facts", "finite numbers", "; ".join(broken))
    return found


@dataclass(slots=True)
class _Measuring:
    """Measures image after image; a name that comes or goes breaks the method's promise."""

    method: Method
    segmenter: Segmenter
    domain: Domain
    machine: Machine
    windows: Windows
    taken: frozenset[str]
    names: frozenset[str] | None = field(default=None)

    def __call__(self, record: Record) -> Measured:
        sizes = self.segmenter.sizes
        image = self.domain.image(record)
        image = as_grey(image, "the image") if self.segmenter.channels == 1 else image
        truth = truth_of(self.domain.labels(record))
        height, width = image.shape[:2]
        side = min(self.windows.side, max(height, width) + sizes.shrink)
        places = grid(height, width, side, 0, sizes)
        found: dict[str, list[float]] = {}
        for first in range(0, len(places), self.windows.batch):
            numbers = range(first, min(first + self.windows.batch, len(places)))
            batch = self._batch(image, truth, places, numbers, record.key)
            for name, values in self._values(batch).items():
                found.setdefault(name, []).extend(values)
        return {name: _mean(values) for name, values in found.items()}

    def _batch(
        self,
        image: NDArray[np.uint8],
        truth: NDArray[np.int32],
        places: Grid,
        numbers: range,
        key: str,
    ) -> Labelled:
        device = self.machine.device
        pixels = np.stack([cut(image, places, n) for n in numbers]).transpose(0, 3, 1, 2)
        maps = np.stack([cut(truth, places, n, channels="first") for n in numbers])
        images = torch.from_numpy(pixels.copy()).to(device).float().div_(255)
        ids, classes = torch.from_numpy(maps).to(device).unbind(1)
        return Labelled(images, ids, classes.long(), (f"{self.domain.name}/{key}",) * len(numbers))

    @torch.no_grad()
    def _values(self, batch: Labelled) -> dict[str, list[float]]:
        with told_out_of_memory(LOWER), self.machine.autocast():
            found = self.method.measures(batch)
        self._check(found, len(batch.keys))
        return {name: values.float().tolist() for name, values in found.items()}

    def _check(self, found: Mapping[str, torch.Tensor], count: int) -> None:
        names = frozenset(found)
        if names & self.taken:
            clash = ", ".join(sorted(names & self.taken))
            raise _broken("measures", "names that no score has", clash)
        if self.names not in (None, names):
            told = f"{', '.join(sorted(names)) or 'nothing'} after {', '.join(sorted(self.names))}"
            raise _broken("measures", "the same names for every batch", told)
        self.names = names
        for name, values in found.items():
            if values.shape != (count,) or bool(values.isinf().any()):
                shape = f"{list(values.shape)}, {'infinite' if values.isinf().any() else 'finite'}"
                raise _broken("measures", f"{name} of [{count}], finite or NaN", shape)


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else None


def _broken(who: str, expected: str, found: str) -> ContractError:
    return ContractError(
        f"{who} broke its promise",
        expected=expected,
        found=found,
        hint="report this to the author of the method",
    )
