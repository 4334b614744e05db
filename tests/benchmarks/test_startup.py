"""How long a user waits before a light command says anything."""

from __future__ import annotations

import shutil
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


PEERS = ("tiatoolbox", "stardist-predict2d", "pytorch-fid", "fidelity")
LEAD = 1 / 0.27
"""The goal beside the quickest of them, which is TIAToolbox."""


def process(*words: str):
    return program(sys.executable, *words)


def program(*words: str):
    def started() -> None:
        subprocess.run(words, capture_output=True, check=True, timeout=120)

    return started


@pytest.mark.parametrize(("words", "goal"), COMMANDS)
def test_start_beside_an_empty_app(beside, words, goal):
    """The goals are those of performance beside plain typer: 120 ms and 150 ms against 101."""
    beside(
        process("-m", "histokit", *words),
        process("-c", EMPTY),
        name="typer, an empty app",
        goal=goal,
        missed="it reads what every installed distribution offers" if "list" in words else "",
    )


@pytest.mark.parametrize("command", PEERS)
def test_help_beside_other_tools(beside, command):
    found = shutil.which(command, path=str(Path(sys.executable).parent)) or shutil.which(command)
    if found is None:
        pytest.skip(f"needs the command {command}, which is not installed")
    ours, theirs = process("-m", "histokit", "--help"), program(found, "--help")
    beside(ours, theirs, name=f"{command} --help", goal=LEAD, rounds=3)


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
