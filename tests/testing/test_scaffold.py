"""A plugin from the template works as it is, and keeps every promise."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from command import Command
from fixtures.fakes import install
from histokit.errors import UsageError
from histokit.testing.scaffold import new_plugin

KINDS = ["segmenter", "translator", "adapter"]
SMALL = ("--steps", "20", "--tile", "32", "--batch", "2", "--device", "cpu", "--threads", "1")


@pytest.fixture
def metadata():
    """Makes a generated plugin known to what is started from here, without pip."""

    def go(folder, monkeypatch):
        words = [sys.executable, "-c", "from setuptools import setup; setup()", "-q", "egg_info"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=120)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return go


@pytest.mark.parametrize("kind", KINDS)
def test_the_files(tmp_path, kind):
    folder = tmp_path / "out"
    written = new_plugin("my-new", kind, folder)
    assert {str(path.relative_to(folder)) for path in written} == {
        "pyproject.toml", "README.md", "CARD.md", "histokit_my_new/__init__.py",
        "histokit_my_new/method.py", "histokit_my_new/py.typed", "tests/test_conformance.py",
        "tests/test_method.py",
    }  # fmt: skip
    text = "".join(path.read_text() for path in written)
    assert "@" not in text.replace("@classmethod", "").replace("@parametrize", "").replace(
        "synth-he@kidney", ""
    )
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"histokit.methods": {"my-new": "histokit_my_new:SPEC"}}
    method = (folder / "histokit_my_new" / "method.py").read_text().splitlines()
    assert 40 <= len([line for line in method if line.strip()]) <= 80


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_tidy(tmp_path, kind):
    from shutil import which

    ruff = which("ruff", path=os.path.dirname(sys.executable)) or which("ruff")
    if ruff is None:
        pytest.skip("needs ruff")
    new_plugin("my-new", kind, tmp_path / "out")
    rules = ["--isolated", "--line-length", "100"]
    select = ["--select", "E,F,I,UP,B,SIM,RET"]
    subprocess.run([ruff, "check", *rules, *select, "-q", "."], cwd=tmp_path / "out", check=True)
    subprocess.run([ruff, "format", "--check", *rules, "-q", "."], cwd=tmp_path / "out", check=True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My-Seg", "cannot be the name"),
        ("seg--two", "cannot be the name"),
        ("3d", "cannot be the name"),
        ("histokit-seg", "cannot be the name"),
        ("../seg", "cannot be the name"),
        ("unet", "is taken"),
        ("tnbc", "is taken"),
    ],
)
def test_names_that_cannot_be(tmp_path, name, told):
    with pytest.raises(UsageError, match=told):
        new_plugin(name, "segmenter", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_distribution_that_is_there_already(tmp_path, monkeypatch):
    install(tmp_path / "site", "histokit-mine", "[histokit.methods]\nother = x:Y\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(UsageError, match="is taken"):
        new_plugin("mine", "segmenter", tmp_path / "out")


def test_nothing_is_overwritten(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something already"):
        new_plugin("my-new", "segmenter", folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    with pytest.raises(UsageError, match="holds something already"):
        new_plugin("my-new", "segmenter", folder / "mine.txt")


def test_an_unknown_kind(tmp_path):
    with pytest.raises(UsageError, match="no kind of plugin"):
        new_plugin("my-new", "painter", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(tmp_path, monkeypatch, metadata, kind):
    folder = tmp_path / "out"
    new_plugin("my-new", kind, folder)
    metadata(folder, monkeypatch)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_walk_of_a_segmenter(tmp_path, monkeypatch, metadata, pair):
    histokit = Command(tmp_path)
    histokit("plugins", "new", "my-seg", "--kind", "segmenter", "--out", "mine")
    metadata(tmp_path / "mine", monkeypatch)
    assert "my-seg" in histokit("methods", "list").stdout
    histokit("check", "my-seg")
    histokit("train", "my-seg", *pair[:2], *pair[4:], *SMALL)
    scored = histokit("eval", "my-seg", "--target", pair[1], "--device", "cpu").stdout
    assert "dice" in scored
    images = pair[1].partition(":")[2] + "/images"
    histokit("predict", "my-seg", images, "-o", "out", "--device", "cpu")
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 8
