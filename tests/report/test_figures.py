"""The drawings are safe, small and in the colours of the page."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from histokit.report.data import Curve
from histokit.report.figures import curves_svg, distribution_svg


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg", '<svg xmlns:xlink="x"', 1))


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in parse(svg).iter("text")]


def test_every_curve_has_its_title():
    svg = curves_svg({name: Curve([0, 1, 2], [3, 2, 1]) for name in ("seg", "mi", "lr", "pq")})
    assert {"seg", "mi", "lr", "pq"} <= set(texts(svg))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$\\frac{", "a & b", "$x^2$", "損失"]
)
def test_names_are_plain_text(name):
    svg = curves_svg({name: Curve([0, 1], [1, 2])})
    assert "<script" not in svg
    assert name in texts(svg)


def test_colours_come_from_the_page_and_nothing_from_elsewhere():
    svg = curves_svg({"seg": Curve([0, 1], [1, 2])}) + distribution_svg({"pq": [0.5]}, {})
    assert "var(--accent)" in svg
    assert "var(--ink)" in svg
    assert "#04040" not in svg
    assert "http" not in svg
    assert "<?xml" not in svg


def test_a_long_curve_stays_small():
    steps = np.arange(200_000)
    noise = np.random.default_rng(0).normal(size=steps.size)
    assert len(curves_svg({"seg": Curve(steps, noise)})) < 60_000


def test_a_long_curve_shows_its_peaks():
    steps = np.arange(10_000)
    values = np.zeros(10_000)
    values[5_000] = 100.0
    ticks = [t for t in texts(curves_svg({"seg": Curve(steps, values)})) if t.isdigit()]
    assert "100" in ticks


def test_values_that_are_not_finite_are_left_out():
    svg = curves_svg(
        {"a": Curve([0, 1, 2], [1.0, math.nan, math.inf]), "b": Curve([0], [math.nan])}
    )
    assert "no finite value" in texts(svg)
    assert "nan" not in svg.lower().replace("no finite value", "")


def test_many_images_are_thinned():
    values = np.random.default_rng(0).random(20_000)
    few, many = distribution_svg({"pq": values[:200]}, {}), distribution_svg({"pq": values}, {})
    assert few.count("<use") <= many.count("<use") <= few.count("<use") + 10
    assert few.count("<use") >= 200


def test_strips_are_named_and_fractions_share_a_scale():
    values = {"pq": [0.2, 0.4], "dice": [0.6, 0.7], "psnr": [31.0, 28.0]}
    svg = distribution_svg(values, {"pq": "fraction", "dice": "fraction", "psnr": "dB"})
    assert {"PQ", "Dice", "PSNR"} <= set(texts(svg))


def test_the_same_values_give_the_same_drawing():
    curves = {"seg": Curve([0, 1, 2], [3, 2, 1])}
    assert curves_svg(curves) == curves_svg(curves)
