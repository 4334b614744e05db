"""The page is whole, needs nothing else, and nothing in it can run."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from histokit.errors import DataError
from histokit.metrics import ImageScore, read_per_image_csv
from histokit.report import ComparisonRow, Curve, Panel, Report, Setting, write_report


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.tags)


@pytest.fixture(scope="module")
def written(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "deep" / "report"
    path = write_report(folder, report)
    return path, path.read_text(encoding="utf-8")


def test_both_files_are_written_and_the_table_gives_back_the_rows(written, report):
    path, _ = written
    assert path.name == "index.html"
    assert sorted(p.name for p in path.parent.iterdir()) == ["index.html", "per_image.csv"]
    assert read_per_image_csv(path.parent / "per_image.csv") == list(report.rows)


def test_all_sections_are_there_in_order(written):
    sections = [a["id"] for tag, a in Page(written[1]).tags if tag == "section"]
    assert sections == [
        "scores", "failures", "comparison", "images", "pictures", "curves", "origin",
    ]  # fmt: skip


def test_everything_of_the_report_is_on_the_page(written, report):
    page = Page(written[1])
    summary = report.summaries[-1]
    interval = f"{summary.low:.3f} – {summary.high:.3f}"
    expected = [report.title, report.subtitle, *report.notes, "mi_weight", "option", "source-only"]
    expected += ["cannot read slide-6.png", f"{summary.mean:.3f}", interval, summary.variant]
    expected += ["2025_mani_1a2b", "seg", "found", "missed", "invented", "Median", "slide-"]
    assert [text for text in expected if text not in page.words] == []
    assert page.count("img") == 4 * len(report.panels)
    assert page.count("svg", **{"class": "figure"}) == 2
    assert page.count("svg", **{"class": "range"}) == len(report.summaries)


def test_the_page_needs_nothing_else(written):
    path, html = written
    page = Page(html)
    assert page.count("script") == page.count("link") == page.count("iframe") == 0
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert "url(#" in html or "url(" not in html
    sources = [a["src"] for _, a in page.tags if "src" in a]
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert [a["href"] for tag, a in page.tags if tag == "a"] == ["per_image.csv"]
    assert path.stat().st_size < 4_000_000


def test_ids_are_unique_and_every_reference_is_met(written):
    page = Page(written[1])
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    used = {a["xlink:href"][1:] for _, a in page.tags if "xlink:href" in a}
    assert used
    assert used <= set(ids)


def test_dark_screens_and_print_are_provided_for(written):
    assert "@media screen and (prefers-color-scheme: dark)" in written[1]
    assert "@media print" in written[1]


EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def test_every_text_is_escaped(report, tmp_path):
    summary = replace(report.summaries[0], variant=EVIL)
    evil = Report(
        title=EVIL,
        subtitle=EVIL,
        settings=[Setting(EVIL, EVIL, EVIL)],
        curves={EVIL: Curve([0, 1], [1, 2])},
        comparisons=[ComparisonRow(EVIL, 1, {EVIL: summary})],
        summaries=[summary],
        rows=[ImageScore(EVIL, EVIL, {EVIL: 0.5}), ImageScore(EVIL, EVIL, {}, EVIL)],
        panels=[replace(report.panels[0], label=EVIL, key=EVIL, metric=EVIL)],
        notes=[EVIL],
        provenance={EVIL: EVIL},
    )
    html = write_report(tmp_path, evil).read_text(encoding="utf-8")
    page = Page(html)
    assert page.count("script") == 0
    assert page.count("img") == 4
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert html.count("{{ 7 * 7 }}") >= 10


def test_an_empty_report_is_a_page_with_a_title(tmp_path):
    html = write_report(tmp_path, Report("nothing yet")).read_text(encoding="utf-8")
    page = Page(html)
    assert "nothing yet" in page.words
    assert page.count("section") == page.count("svg") == page.count("img") == 0


def test_file_names_that_are_no_text_are_written(tmp_path):
    rows = [ImageScore("slide\udcff", "", {"pq": 0.5})]
    failed = ImageScore("b\udcff", "", {}, "cannot read b\udcff.png")
    path = write_report(tmp_path, Report("odd names", rows=[*rows, failed]))
    assert "cannot read b?.png" in path.read_text(encoding="utf-8")
    assert read_per_image_csv(tmp_path / "per_image.csv")[0].key == "slide\udcff"


@pytest.mark.parametrize("count", [3, 8])
def test_large_noisy_images_stay_below_four_megabytes(count, tmp_path):
    draws = np.random.default_rng(0)
    image = draws.integers(0, 255, (900, 900, 3)).astype(np.uint8)
    ids = draws.integers(0, 40, (90, 90)).repeat(10, 0).repeat(10, 1).astype(np.int32)
    panels = [Panel("worst", f"{i}", 0.1, image, ids, np.roll(ids, 3, 0)) for i in range(count)]
    path = write_report(tmp_path, Report("noise", panels=panels))
    assert path.stat().st_size < 4_000_000


def test_writing_again_gives_the_same_bytes(report, tmp_path):
    first = write_report(tmp_path / "a", report).read_bytes()
    assert write_report(tmp_path / "b", report).read_bytes() == first


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "report").write_text("a file where the folder should be")
    with pytest.raises(DataError) as caught:
        write_report(tmp_path / "report", Report("nowhere"))
    assert "report" in str(caught.value)
