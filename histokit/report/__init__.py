"""One run on one page: settings, curves, scores with intervals, and pictures."""

from __future__ import annotations

from histokit.report.data import ComparisonRow, Curve, Panel, PaperTable, Report, Setting
from histokit.report.page import write_report
from histokit.report.tables import pick_panels

__all__ = [
    "ComparisonRow",
    "Curve",
    "Panel",
    "PaperTable",
    "Report",
    "Setting",
    "pick_panels",
    "write_report",
]
