"""The page as headless Chromium draws it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histokit.report import write_report

pytestmark = pytest.mark.browser

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--window-size=1200,3600",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("page"), report)


def chromium(profile: Path, page: Path, *options: str) -> str:
    """What a run of the browser on the page prints."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine")
    command = [program, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def screenshot(folder: Path, page: Path, *options: str) -> np.ndarray:
    picture = folder / "page.png"
    chromium(folder / "profile", page, f"--screenshot={picture}", *options)
    return np.asarray(Image.open(picture).convert("RGB"))


def test_the_page_is_drawn(page, tmp_path):
    shot = screenshot(tmp_path, page)
    assert shot.shape == (3600, 1200, 3)
    paper = np.array((253, 253, 251))
    assert (shot[4, 4] == paper).all()
    drawn = (np.abs(shot.astype(int) - paper).max(axis=2) > 24).any(axis=1)
    assert drawn[:2600].mean() > 0.4  # rows with ink, from the head to the pictures
    pictures = (np.ptp(shot.astype(int), axis=2) > 30).sum(axis=1)
    assert pictures.max() > 400  # a row across coloured pictures


def test_dark_screens_get_a_dark_page_and_print_stays_light(page, tmp_path):
    dark = screenshot(tmp_path, page, "--blink-settings=preferredColorScheme=0")
    assert dark[4, 4].max() < 60
    assert (dark[:400] > 200).any()


def test_the_browser_finds_all_parts(page, report, tmp_path):
    dom = chromium(tmp_path / "profile", page, "--dump-dom")
    assert f"<h1>{report.title}</h1>" in dom
    assert dom.count("<img ") == 4 * len(report.panels)
    assert dom.count("<svg ") == 2 + len(report.summaries)
    assert dom.rstrip().endswith("</html>")


def test_pictures_are_decoded_and_nothing_overflows(page, tmp_path):
    probe = tmp_path / "probe.html"
    script = (
        "<script>onload=()=>{const bad=[...document.images].filter(i=>!i.naturalWidth).length;"
        "const over=document.documentElement.scrollWidth-innerWidth;"
        "document.title=`bad ${bad} over ${over}`}</script></body>"
    )
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    dom = chromium(tmp_path / "profile", probe, "--dump-dom")
    assert "<title>bad 0 over 0</title>" in dom
