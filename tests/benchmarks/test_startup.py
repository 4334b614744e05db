"""How long a user waits before a light command says anything; figures are ratios, machine-free."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

pytestmark = pytest.mark.slow

EMPTY = """
import typer
app = typer.Typer()
@app.callback()
def main(): "An empty app."
@app.command()
def one(): "A command."
app(["--help"])
"""


def seconds(*words: str) -> float:
    """Median wall time of a whole process, of seven after a first that warms the caches."""
    times = []
    for _ in range(8):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, check=False, timeout=60)
        times.append(time.perf_counter() - start)
    return median(times[1:])


@pytest.fixture(scope="module")
def empty() -> float:
    """Seconds of the help of an empty typer app, drawn by rich."""
    return seconds("-c", EMPTY)


@pytest.mark.parametrize(
    ("words", "times"),
    [
        (["--help"], 2.5),
        (["--version"], 2.5),
        (["methods", "--help"], 2.5),
        (["plugins", "list"], 3.0),
        (["methods", "list"], 5.0),
    ],
)
def test_light_commands_start_quickly(empty: float, words: list[str], times: float) -> None:
    taken = seconds("-m", "histokit", *words)
    assert taken <= times * empty, f"{taken:.3f} s, an empty app {empty:.3f} s"


def test_a_path_of_300_distributions_is_read_quickly(tmp_path: Path) -> None:
    for number in range(300):
        folder = tmp_path / f"dist_{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{number}\n")
        (folder / "entry_points.txt").write_text(f"[console_scripts]\nx{number} = a:b\n")
    script = (
        "import sys, time\nfrom histokit.registry.discovery import scan\n"
        "start = time.perf_counter()\nscan([sys.argv[1]])\nprint(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    bare = seconds("-c", "pass")
    assert float(done.stdout) <= 10 * bare
