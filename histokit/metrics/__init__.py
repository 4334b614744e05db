"""How well predicted objects agree with true ones, per image and over many images."""

from __future__ import annotations

from histokit.metrics.bootstrap import mean_interval
from histokit.metrics.contingency import Contingency, Objects, contingency
from histokit.metrics.matching import over_half
from histokit.metrics.scores import METRICS, Metric, Scores, score, score_table
from histokit.metrics.table import (
    Empty,
    ImageScore,
    Summary,
    read_per_image_csv,
    summarise,
    write_per_image_csv,
)

__all__ = [
    "METRICS",
    "Contingency",
    "Empty",
    "ImageScore",
    "Metric",
    "Objects",
    "Scores",
    "Summary",
    "contingency",
    "mean_interval",
    "over_half",
    "read_per_image_csv",
    "score",
    "score_table",
    "summarise",
    "write_per_image_csv",
]
