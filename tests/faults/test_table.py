"""The table of faults: whole, its tests there, and the page equal to it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from faults.table import TABLE, page

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = [str(number) for number in range(1, 33)]


@cache
def named_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    named = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in named if name.startswith("test_"))


def test_every_fault_has_its_line():
    numbers = [line.number for line in TABLE]
    assert len(set(numbers)) == len(numbers)
    assert sorted(set(numbers) - {"14a"}, key=int) == NUMBERS


@pytest.mark.parametrize("line", TABLE, ids=lambda line: line.number)
def test_every_line_has_tests_that_are_there_or_says_why_not(line):
    assert line.tests or line.lacking
    for name in line.tests:
        path, _, test = name.partition("::")
        assert test in named_tests(path), name


def test_the_page_is_the_table():
    written = (ROOT / "tests" / "faults" / "README.md").read_text(encoding="utf-8")
    assert written == page(), "python tests/faults/table.py > tests/faults/README.md"
