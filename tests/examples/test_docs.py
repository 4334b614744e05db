"""The pages for users and authors are true: their commands parse, their code runs."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.fakes import install
from histokit.registry import find_method
from typed import check, type_

DOCS = Path(__file__).resolve().parents[2] / "examples" / "docs"
PAGES = sorted(DOCS.glob("*.md"))
GUIDE = (DOCS / "write-a-method.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def typed_in(text):
    """The commands in the blocks of shell."""
    blocks = [block for kind, _, block in BLOCK.findall(text) if kind == "sh"]
    return [line for block in blocks for line in block.splitlines() if line.startswith("histokit ")]


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dark(tmp_path, monkeypatch):
    """The plugin of the guide, written as it stands there, and known by its metadata alone."""
    files = {name: text for _, name, text in BLOCK.findall(GUIDE) if name}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    points = project["entry-points"]["histokit.methods"]
    lines = "".join(f"{name} = {place}\n" for name, place in points.items())
    install(tmp_path, project["name"], f"[histokit.methods]\n{lines}", project["version"])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield files
    sys.modules.pop("dark", None)


def of_this_repository():
    root = DOCS.parents[1]
    read = [tomllib.loads(p.read_text())["project"] for p in root.glob("plugins/*/pyproject.toml")]
    return {name for one in read for name in one["entry-points"].get("histokit.methods", {})}


def test_the_reference_is_the_real_help(reference):
    written = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert written == reference.page(), "type: python examples/docs/reference.py"


def test_the_table_of_methods_is_that_of_the_cards(reference):
    written = (DOCS / "methods.md").read_text(encoding="utf-8")
    assert written == reference.methods(), "type: python examples/docs/reference.py"


def test_every_method_is_told_of():
    prose = (DOCS / "methods.md").read_text(encoding="utf-8").partition("<!-- end -->")[2]
    told = set(re.findall(r"`([a-z-]+)(?::[\w-]+)?`", prose))
    told |= {word.partition(":")[0] for word in re.findall(r"histokit predict (\S+)", prose)}
    assert of_this_repository() - told == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_the_plugin_of_the_guide_is_some_twenty_lines(dark):
    lines = [line for text in dark.values() for line in text.splitlines() if line.strip()]
    assert len(lines) <= 26


def test_the_plugin_of_the_guide_works(dark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((40, 40, 3), 30, np.uint8)).save("my-image.png")
    info, predict, *_ = (shlex.split(line)[1:] for line in typed_in(GUIDE) if "dark" in line)
    offered = type_("plugins", "list").stdout
    assert re.search(r"^method +dark +histokit-dark 0.1 ", offered, re.MULTILINE)
    assert "Pixels darker than this are nuclei." in type_(*info).stdout
    found = json.loads(type_(*predict, "--json", "--device", "cpu").stdout)
    assert (found["done"], found["objects"]) == (1, 1)


@pytest.mark.slow
def test_the_plugin_of_the_guide_keeps_its_promises(dark, histokit):
    for line in (line for line in typed_in(GUIDE) if "dark" in line and "my-image" not in line):
        histokit(*shlex.split(line)[1:])


@pytest.mark.parametrize(
    "line",
    [line for page in PAGES for line in typed_in(page.read_text("utf-8")) if "dark" not in line],
)
def test_the_commands_of_the_pages_are_commands(line):
    words = shlex.split(line.partition("  #")[0])[1:]
    check(
        [word.replace("my-seg", "source-only") if words[0] == "train" else word for word in words]
    )


def test_what_is_installed_by_the_pages_is_there():
    root = DOCS.parents[1]
    text = (DOCS / "first-run.md").read_text(encoding="utf-8")
    folders = re.findall(r"-e (\S+)", text) + re.findall(r"`(plugins/[\w-]+)`", text)
    assert {folder.name for folder in root.glob("plugins/*/")} - {"__pycache__"} == {
        Path(folder).name for folder in folders if folder != "."
    }
    for folder in folders:
        assert (root / folder / "pyproject.toml").is_file(), folder


def test_each_paper_is_told_whole():
    prose = (DOCS / "methods.md").read_text(encoding="utf-8")
    papers = re.split(r"^### ", re.split(r"^## ", prose, flags=re.MULTILINE)[1], flags=re.MULTILINE)
    told = {re.match(r"`([\w-]+)`", one)[1]: one for one in papers[1:]}
    assert set(told) == {"mani", "fdloss", "mdcl", "syndiff-pl", "ostrich"}
    for name, text in told.items():
        for what in ("Paper", "Needs", "Expect", "How long"):
            assert f"- **{what}.** " in text, f"{name} lacks {what}"
        cited = re.search(r"(?:arXiv:?|eprint\s*=\s*\{)([\d.]+\d)", find_method(name).reference)
        assert cited[1] in text
        assert f"histokit train {name} " in text


def test_what_the_pages_tell_of_exists():
    for text in (page.read_text(encoding="utf-8") for page in PAGES if page.stem != "cli"):
        for name, preset in re.findall(r"`(?:histokit \w+ )?([a-z-]+):([a-z0-9-]+)[ `]", text):
            assert preset in find_method(name).presets
