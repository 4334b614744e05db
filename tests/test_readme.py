"""The README is true: its commands parse, its paths exist, its tables equal the registry."""

from __future__ import annotations

import ast
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import histokit
from fixtures.fakes import install
from histokit.config.options import describe
from histokit.config.run import RunConfig
from histokit.registry.datasets import VARIABLE, find_dataset
from histokit.registry.discovery import DATASETS, GROUPS, METHODS, scan
from histokit.registry.methods import find_method
from typed import check, options

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line]
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
CODE = [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", PROSE)]
EXAMPLE = ROOT / "examples" / "pixel-classifier"


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The example plugin as README has it installed, by metadata alone."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    groups = project["entry-points"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in groups.items()
    )
    install(tmp_path, project["name"], text, project["version"])
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("pixel_classifier", "pixel_classifier_method"):
        sys.modules.pop(name, None)


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading is `heading`, without heading and rule."""
    lines = README.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(cell: str) -> list[str]:
    """The words in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def projects() -> dict[str, dict[str, dict[str, str]]]:
    """The entry points that the distributions of this repository declare, by distribution."""
    files = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    read = [tomllib.loads(path.read_text())["project"] for path in files]
    return {project["name"]: project.get("entry-points", {}) for project in read}


def declared(group: str) -> dict[str, set[str]]:
    """The names of a group by distribution."""
    return {name: set(points[group]) for name, points in projects().items() if group in points}


def test_every_block_is_marked_as_shell_or_python():
    assert {kind for kind, _ in BLOCKS} == {"sh", "python"}
    assert len(LINES) >= 10


def test_the_python_names_and_settings_are_there():
    calls = [
        node
        for kind, block in BLOCKS
        if kind == "python"
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("histokit.")
    ]
    assert {ast.unparse(node.func) for node in calls if isinstance(node.func, ast.Attribute)} >= {
        "histokit.train",
        "histokit.load",
        "histokit.evaluate",
    }
    for node in calls:
        first = ast.unparse(node.func).split("(")[0].removeprefix("histokit.")
        assert hasattr(histokit, first)
    (train,) = [node for node in calls if ast.unparse(node.func) == "histokit.train"]
    spec = find_method(ast.literal_eval(train.args[0]))
    known = {"preset", *spec.config.model_fields, *RunConfig.model_fields}
    assert {keyword.arg for keyword in train.keywords} <= known


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("line", LINES)
def test_what_it_tells_to_type_can_be_typed(line):
    words = shlex.split(line)
    if words[0] == "histokit":
        check(words[1:])
    elif words[0] == "make":
        targets = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert targets
        assert set(words[1:]) <= set(targets[1].split())
    elif words[:2] == ["pip", "install"]:
        assert all((ROOT / path / "pyproject.toml").is_file() for path in words[2:])
    else:
        assert words[0] == "export"
        assert words[1].partition("=")[0] == VARIABLE


def test_links_lead_to_something():
    links = re.findall(r"\[[^\]]+\]\(([^)]+)\)", PROSE)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_commands_and_options_in_the_prose_exist():
    known = options("train", "mani") | {"--progress", "--quiet", "--debug"}
    for words in CODE:
        if words.startswith("histokit "):
            check(words.split()[1:])
        elif words.startswith("--"):
            assert words.split()[0] in known, words


def test_the_methods_are_those_of_the_registry():
    told = {names(row[0])[0]: set(names(row[1])) for row in table("package")}
    assert told == declared(METHODS)


def test_the_data_sets_are_those_of_the_registry():
    rows = table("data set")
    told = [name for row in rows for name in names(row[0])]
    assert sorted(told) == sorted(set.union(*declared(DATASETS).values()))
    for row in rows:
        variants = {word[1:] for word in names(row[1]) if word.startswith("@")}
        assert not variants or variants <= set(find_dataset(names(row[0])[0]).variants)


@pytest.mark.parametrize("group", GROUPS)
def test_the_registry_offers_what_the_projects_declare(group):
    """Fails where the installation is older than the repository: `pip install -e .` again."""
    wanted = declared(group)
    found = {name: {o.name for o in scan().offers if (o.group, o.distribution) == (group, name)}
             for name in wanted}  # fmt: skip
    assert found == wanted


def test_the_defaults_it_names_are_the_defaults():
    said = re.search(r"\(U-Net, (\d+) \+ (\d+) steps\)", README)
    assert said
    defaults = {
        setting.name: setting.shown_default for setting in describe(find_method("mani").config)
    }
    assert (defaults["warmup_steps"], defaults["adapt_steps"]) == said.groups()
    assert defaults["network"] == "unet"


def test_python_and_licence_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')} or newer" in README
    assert project["license"] in README
