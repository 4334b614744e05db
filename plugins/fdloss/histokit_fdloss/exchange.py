"""The exchange term: foregrounds against the backgrounds of other samples and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from histokit.errors import DataError
from histokit_fdloss.distance import FeatureDistance, Pooled

ExchangeForm = Literal["cross_pairs", "eq2", "algo1", "released"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which foreground meets which background: int64 [P] each."""

    foreground: Tensor
    background: Tensor


@final
class Exchange:
    """The term of Section 4 of the paper, which stands beside the direct one under its alpha.

    Args:
        form: ``eq2`` is Eq. 2: the means of each data set, and one logarithm of the sum of both
            squared distances; 0 for a batch from one data set. ``algo1`` is Algorithm 1: each
            foreground with the background `shift` places further on in a shuffled batch.
            ``released`` shuffles foregrounds and backgrounds by themselves, so that a sample may
            meet itself. ``cross_pairs`` takes all pairs from different data sets, and where the
            batch has only one each sample with the next.
        novel: names of the member data sets that are new; the others are the base.
        shift: of ``algo1``; 0 draws it in each step. A given shift leaves the batch unshuffled.
    """

    def __init__(self, form: ExchangeForm, novel: Sequence[str] = (), shift: int = 0) -> None:
        self.form = form
        self.novel = frozenset(novel)
        self.shift = shift

    def domains(self, keys: Sequence[str]) -> Tensor:
        """Whether each sample is new, bool [N], by its batch key.

        Raises DataError where the source has no members of the names that are called new.
        """
        if not self.novel:
            return torch.zeros(len(keys), dtype=torch.bool)
        return torch.tensor([self._member(key) in self.novel for key in keys])

    def pairs(self, novel: Tensor) -> Pairs:
        """The pairs of this step; `novel` is bool [N]. For ``eq2`` there are none."""
        count = len(novel)
        if self.form == "released":
            return Pairs(torch.randperm(count), torch.randperm(count))
        if self.form == "algo1" and self.shift == 0:
            order = torch.randperm(count)
            shift = int(torch.randint(1, count, ()))
            return Pairs(order, order.roll(-shift))
        order = torch.arange(count)
        if self.form == "algo1":
            return Pairs(order, order.roll(-self.shift))
        different = novel.cpu()[:, None] != novel.cpu()
        if bool(different.any()):
            return Pairs(*different.nonzero(as_tuple=True))
        return Pairs(order, order.roll(-1))

    def loss(
        self, distance: FeatureDistance, pooled: Pooled, novel: Tensor, pairs: Pairs
    ) -> Tensor:
        """The term of one layer, a scalar."""
        if self.form == "eq2":
            return _between_sets(distance, pooled, novel.to(pooled.valid.device))
        device = pooled.valid.device
        left, right = pairs.foreground.to(device), pairs.background.to(device)
        valid = pooled.valid[left] & pooled.valid[right]
        return distance.between(pooled.foreground[left], pooled.background[right], valid)

    def _member(self, key: str) -> str:
        """The data set of ``source:tnbc+monuseg/monuseg/TCGA-…``."""
        source, _, record = key.partition("/")
        members = source.partition(":")[2].split("+")
        if not self.novel <= set(members):
            raise DataError(
                "the exchange term does not find the data sets that are called new",
                expected="novel to name members of a pooled source: " + " or ".join(members),
                found="+".join(sorted(self.novel)),
                hint=f"--source {members[0]}+{min(self.novel)} --novel {min(self.novel)}",
            )
        return record.partition("/")[0] if len(members) > 1 else members[0]


def _between_sets(distance: FeatureDistance, pooled: Pooled, novel: Tensor) -> Tensor:
    """Eq. 2, with whatever form the distance has."""
    base_f, base_b, base = _set_means(pooled, ~novel)
    novel_f, novel_b, new = _set_means(pooled, novel)
    apart = distance.square(base_f - novel_b) + distance.square(novel_f - base_b)
    own = distance.own(base_f, novel_b) + distance.own(novel_f, base_b)
    return distance.mean(apart, own, (base & new)[None])


def _set_means(pooled: Pooled, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means [1 K] over the valid samples of a data set, and whether there are any."""
    chosen = pooled.valid & members
    share = chosen.to(pooled.foreground.dtype) / chosen.sum().clamp(min=1)
    return (share @ pooled.foreground)[None], (share @ pooled.background)[None], chosen.any()
