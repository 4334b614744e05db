"""The report as one self-contained HTML page beside a table of all images."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from histokit.io.files import write_text
from histokit.metrics import METRICS, write_per_image_csv
from histokit.metrics.papers import write_paper_csv
from histokit.report import figures, pictures, tables
from histokit.report.data import Report, TrustPanel
from histokit.report.sections import sections, write_tables
from histokit.report.translation import TrustPictures, trust_pictures

PAGE = "index.html"
TABLE = "per_image.csv"

_PICTURE_BYTES = 2_400_000
"""Of all pictures of a page together, before they are written as text."""


def write_report(folder: Path, report: Report) -> Path:
    """Writes index.html, per_image.csv and the table of each further part into `folder` and gives
    the path of the page.

    The page needs no other file, no network and no script; with up to four panels it stays below
    four megabytes. Every text of the report is escaped. Raises DataError where `folder` cannot be
    written.
    """
    write_per_image_csv(folder / TABLE, report.rows)
    if report.paper is not None:
        write_paper_csv(folder / tables.paper_file(report.paper), report.paper.rows)
    write_tables(folder, report)
    page = folder / PAGE
    write_page(page, render(report))
    return page


def write_page(path: Path, html: str) -> None:
    """Writes a page. A file name may hold bytes that are no text; it shows a question mark there.

    Raises DataError where it cannot be written.
    """
    write_text(path, html.encode("utf-8", "replace").decode("utf-8"))


def templates() -> Environment:
    """The templates of all pages; they escape every value and refuse an unknown one."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(report: Report) -> str:
    """The page as text."""
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            headline=tables.headline(report.summaries),
            level=f"{report.summaries[0].level:.0%}" if report.summaries else "",
            footnotes=tables.footnotes(report.summaries),
            comparison=tables.comparison(report.comparisons),
            paper=tables.paper(report.paper) if report.paper else None,
            failures=tables.failures(report.rows),
            sections=[(part, Markup(part.drawing)) for part in sections(report)],
            curves=Markup(figures.curves_svg(report.curves)) if report.curves else None,
            distribution=_distribution(report),
            panels=_panels(report),
            trust=_trust(report),
            colours=pictures,
            label=tables.label,
            number=tables.number,
            table=TABLE,
        )
    )


def _distribution(report: Report) -> Markup | None:
    """The strips of every metric that the images have."""
    values: dict[str, list[float]] = {}
    for row in report.rows:
        for name, value in row.values.items():
            if not row.error and value is not None:
                values.setdefault(name, []).append(value)
    units = {name: metric.unit for name, metric in METRICS.items()}
    units |= {summary.metric: summary.unit for summary in report.summaries}
    return Markup(figures.distribution_svg(values, units)) if values else None


def _trust(report: Report) -> list[tuple[TrustPanel, TrustPictures]]:
    """Each translated image with its pictures."""
    limit = _PICTURE_BYTES // max(4 * len(report.trust), 1)
    return [(panel, trust_pictures(panel, limit=limit)) for panel in report.trust]


def _panels(report: Report) -> list[tuple[object, pictures.Views]]:
    """Each panel with its pictures; many panels get smaller ones."""
    count = len(report.panels)
    if count == 0:
        return []
    side = 640 if count <= 4 else 320
    limit = _PICTURE_BYTES // (4 * count)
    return [(panel, pictures.views(panel, side=side, limit=limit)) for panel in report.panels]
