"""The tables of papers by their own formulas, each value beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

from histokit.metrics.papers import conic, hovernet, pannuke
from histokit.metrics.papers.row import Means, PaperRow, write_paper_csv
from histokit.metrics.tally import Tally

Paper: TypeAlias = Literal["hovernet", "pannuke", "conic"]
PAPERS: Mapping[str, Callable[[Sequence[Tally], tuple[str, ...], Means], list[PaperRow]]] = (
    MappingProxyType({"hovernet": hovernet.table, "pannuke": pannuke.table, "conic": conic.table})
)
"""By name: the images' counts, the classes and our means into the paper's table."""

__all__ = ["PAPERS", "Means", "Paper", "PaperRow", "write_paper_csv"]
