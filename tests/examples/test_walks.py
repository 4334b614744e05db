"""The shell walks: sound shell, and every command that they type is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from typed import check

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WALKS = sorted(EXAMPLES.glob("*.sh"))
STUB = """#!/bin/sh
for word in "$@"; do printf '%s\\037' "$word" >> "$TYPED"; done
printf '\\n' >> "$TYPED"
echo runs/some-run
"""
"""Stands for `histokit`: notes what was typed and prints what `train` prints, a run folder."""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def typed(walk: Path, folder: Path, *words: str, **more: str) -> list[list[str]]:
    """The commands that a walk types, each as words after `histokit`."""
    stub, log = folder / "histokit", folder / "typed"
    stub.write_text(STUB)
    stub.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "TYPED": str(log), **more}
    subprocess.run(["bash", str(walk), *words], cwd=folder, env=env, check=True, timeout=60)
    return [line.rstrip("\x1f").split("\x1f") for line in log.read_text().splitlines()]


def test_there_are_walks():
    assert WALKS


@pytest.mark.parametrize("walk", WALKS, ids=lambda path: path.name)
def test_a_walk_is_sound_shell(walk):
    done = subprocess.run(["bash", "-n", str(walk)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(walk, os.X_OK), "chmod +x"


@pytest.mark.parametrize(
    ("words", "more"),
    [((), {}), (("--threads", "1"), {"PRESET": "cpu", "STEPS": "800", "WARMUP": "200"})],
    ids=["defaults", "cpu"],
)
@pytest.mark.parametrize("walk", WALKS, ids=lambda path: path.name)
def test_a_walk_types_only_what_exists(walk, words, more, tmp_path):
    commands = typed(walk, tmp_path, "data", *words, **more)
    verbs = {command[0] for command in commands}
    assert {"train", "eval"} <= verbs
    for command in {tuple(command) for command in commands}:
        check(list(command))
