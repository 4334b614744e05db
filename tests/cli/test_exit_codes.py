"""Every exit code of the design, what ends a command with it, and the README's list of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from histokit import errors
from histokit.cli.errors import boundary

README = Path(__file__).resolve().parents[2] / "README.md"

ENDINGS: list[tuple[int, BaseException | None]] = [
    (0, None),
    (1, errors.HistokitError("x")),
    (1, ZeroDivisionError("x")),
    (1, OSError("x")),
    (2, errors.UsageError("x")),
    (2, errors.UnknownName("method", "x", ["y"])),
    (3, errors.ConfigError(["x"])),
    (3, errors.DataError("x")),
    (3, errors.NonFiniteLoss("x")),
    (4, errors.PluginError("x")),
    (4, errors.AmbiguousName("x")),
    (4, errors.ContractError("x")),
    (5, errors.PartialFailure("x")),
    (6, errors.DeviceError("x")),
    (6, MemoryError("x")),
    (7, errors.VerificationFailed("x")),
    (8, errors.RunBusy("x")),
    (130, errors.Interrupted("x")),
    (130, KeyboardInterrupt()),
]
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 130}
"""Those of the design."""


def _classes(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for derived in base.__subclasses__():
        yield from _classes(derived)


def _ending(error: BaseException | None) -> int:
    try:
        with boundary(debug=False):
            if error is not None:
                raise error
    except typer.Exit as ending:
        return ending.exit_code
    return 0


@pytest.mark.parametrize(
    ("code", "error"), ENDINGS, ids=[f"{code}-{type(error).__name__}" for code, error in ENDINGS]
)
def test_each_ending_has_its_code_and_no_traceback(code, error, capsys):
    assert _ending(error) == code
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.startswith("error: ") == (error is not None)


def test_the_table_knows_every_error_and_every_code():
    ours = {c for c in _classes(errors.HistokitError) if c.__module__ == errors.__name__}
    assert {type(error) for _, error in ENDINGS} >= ours
    assert {code for code, _ in ENDINGS} == CODES


def test_the_tree_of_errors_is_drawn_with_the_codes_it_has():
    drawn = dict(re.findall(r"(\w+) +(\d+)   ", errors.__doc__ or ""))
    ours = {c for c in _classes(errors.HistokitError) if c.__module__ == errors.__name__}
    assert drawn == {c.__name__: str(c.exit_code) for c in ours}


def test_the_readme_lists_exactly_these_codes():
    text = README.read_text(encoding="utf-8")
    section = re.search(r"^## Exit codes\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section
    items = " ".join(section[1].split()).split(" · ")
    told = {int(number): meaning for number, _, meaning in (i.partition(" ") for i in items)}
    assert set(told) == CODES
    assert all(told.values())
