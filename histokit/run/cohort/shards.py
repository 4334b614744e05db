"""A share of the items for each of several processes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from histokit.errors import UsageError
from histokit.run.cohort.item import Item

_FORM = re.compile(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` of `count`, from 1; by default all there is."""

    number: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def part(self, items: Sequence[Item]) -> list[Item]:
        """Every `count`-th item in the order of names, from the `number`-th on; where there is one
        shard alone, all items in the order that they have.

        Each item is in exactly one part, and parts differ by one item at most.
        """
        if self.count == 1:
            return list(items)
        return sorted(items, key=lambda item: item.key)[self.number - 1 :: self.count]


def parse_shard(text: str) -> Shard:
    """The shard of ``i/N``; all there is of an empty text. Raises UsageError."""
    if not text:
        return Shard()
    found = _FORM.fullmatch(text)
    number, count = (int(part) for part in found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(
            f"cannot read --shard {text}",
            expected="i/N with i from 1 to N, such as 2/8",
            hint='in a SLURM array: --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT", with '
            "#SBATCH --array=1-8",
        )
    return Shard(number, count)
