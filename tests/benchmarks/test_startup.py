"""How long a user waits before a light command says anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EMPTY = """
import typer
app = typer.Typer(rich_markup_mode=None)
@app.callback()
def main(): "An empty app."
@app.command()
def one(): "A command."
app(["--help"])
"""
COMMANDS = [
    pytest.param(["--help"], 1 / 1.2, id="help"),
    pytest.param(["--version"], 1 / 1.2, id="version"),
    pytest.param(["predict", "--help"], 1 / 1.5, id="predict_help"),
    pytest.param(["plugins", "list"], 1 / 1.5, id="plugins_list"),
]


def process(*words: str):
    def started() -> None:
        subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=120)

    return started


@pytest.mark.parametrize(("words", "goal"), COMMANDS)
def test_start_beside_an_empty_app(beside, words, goal):
    """The goals are those of performance beside plain typer: 120 ms and 150 ms against 101."""
    beside(
        process("-m", "histokit", *words),
        process("-c", EMPTY),
        name="typer, an empty app",
        goal=goal,
    )


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_start_beside_the_interpreter(beside, word):
    beside(
        process("-m", "histokit", word), process("-c", "pass"), name="python -c pass", goal=1 / 8
    )


def test_the_first_work_with_torch_beside_importing_it(beside):
    """`doctor` imports torch and looks at everything that is installed."""
    beside(
        process("-m", "histokit", "doctor"),
        process("-c", "import torch"),
        name="import torch",
        goal=1 / 1.2,
        rounds=3,
    )


def test_a_path_of_300_distributions_is_read_quickly(beside, tmp_path: Path):
    for number in range(300):
        folder = tmp_path / f"dist_{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dist-{number}\n")
        (folder / "entry_points.txt").write_text(f"[console_scripts]\nx{number} = a:b\n")
    ours = f"from histokit.registry.discovery import scan; scan([{str(tmp_path)!r}])"
    theirs = (
        f"from importlib.metadata import distributions as found\n"
        f"[d.entry_points for d in found(path=[{str(tmp_path)!r}])]"
    )
    beside(process("-c", ours), process("-c", theirs), name="importlib.metadata", goal=0.8)
