"""The page of a comparison is whole, needs nothing else, and nothing in it can run."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from histokit.metrics.paired import paired
from histokit.metrics.scores import METRICS
from histokit.report import Report
from histokit.report.comparison import (
    Comparison,
    Duel,
    Entrant,
    p_value,
    percent,
    render,
    signed,
    span,
    write_comparison,
)
from histokit.report.page import render as report_page

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def comparison(names=("source-only", "mani"), count=6, key="img-{}"):
    values = np.linspace(0.3, 0.6, count)
    scores = [values, values + 0.1 * np.arange(1, count + 1) / count]
    entrants = [
        Entrant(
            name, name, Path("runs", name), {key.format(i): float(v) for i, v in enumerate(found)},
            float(found.mean()), 0.3, 0.7, None, count, place,
        )
        for place, (name, found) in enumerate(zip(names, scores, strict=True))
    ]  # fmt: skip
    found = paired(*scores, [f"image {i}" for i in range(count)])
    return Comparison(
        metric=METRICS["dice"],
        entrants=entrants,
        duels=[Duel(*names, found, 0.04, None)],
        n=count,
        n_units=count,
        left_out={"not in every run": ["lost-1", "lost-2"]},
        verdict="mani has the best mean.",
        notes=["2 of 8 images are left out"],
    )


def test_everything_is_on_the_page():
    page = Page(render(comparison()))
    sections = [a["id"] for tag, a in page.tags if tag == "section"]
    assert sections == ["runs", "pairs", "frequency", "left-out", "images"]
    expected = ["mani has the best mean.", "2 of 8 images", "lost-1, lost-2", "0.450", "0.040"]
    expected += ["mani less source-only", "img-5", "Dice", "+0.058"]
    text = " ".join(page.words.split())
    assert [word for word in expected if word not in text] == []
    assert not page.count("script") + page.count("link") + page.count("img")


def test_it_shares_the_style_of_the_report():
    styles = [
        html[html.index("<style>") : html.index("</style>")]
        for html in (render(comparison()), report_page(Report("one run")))
    ]
    assert styles[0] == styles[1]
    assert "prefers-color-scheme: dark" in styles[0]


def test_every_text_is_escaped():
    names, left_out = (EVIL, EVIL + "2"), {EVIL: [EVIL]}
    evil = comparison(names, key=EVIL.replace("{{ 7 * 7 }}", "") + "{}")
    evil = replace(evil, verdict=EVIL, notes=[EVIL], left_out=left_out)
    page = Page(render(evil))
    assert page.count("script") == page.count("img") == 0
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_many_images_are_cut_to_those_that_differ_most():
    text = render(comparison(count=150))
    assert "The 100 images" in text
    assert "img-149<" in text
    assert "img-3<" not in text


@pytest.mark.parametrize(
    ("path", "written"), [("a.html", "a.html"), ("deep/b", "deep/b/index.html")]
)
def test_a_file_or_a_folder_may_be_named(tmp_path, path, written):
    assert write_comparison(tmp_path / path, comparison()) == tmp_path / written
    assert (tmp_path / written).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_numbers_as_printed():
    assert [p_value(p) for p in (None, 0.0002, 0.0312, 1.0)] == ["–", "< 0.001", "0.031", "1.000"]
    assert [percent(x) for x in (None, -16.7, 50.0)] == ["–", "-17 %", "50 %"]
    assert signed(-0.0514) == "−0.051"
    assert signed(2.5, "dB") == "+2.5"
    assert span(-0.01, 0.02) == "−0.010 to +0.020"
    assert span(None, None) == "–"
