"""Lines that somebody is told to type, checked against the real command line without running it."""

from __future__ import annotations

from typing import Any

import typer
from typer.testing import CliRunner, Result

from histokit.cli.app import app


def parse(words: list[str]) -> Any:
    """The innermost context of `histokit WORDS`, with every option and argument understood.

    Raises what the command line raises on a wrong line; runs nothing.
    """
    command = typer.main.get_command(app)
    context = command.make_context("histokit", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


def type_(*words: str) -> Result:
    """`histokit WORDS` in this process."""
    return CliRunner().invoke(app, list(words), prog_name="histokit")


def check(words: list[str]) -> None:
    """Fails where `histokit WORDS` is no command; the settings of a `train` are checked too."""
    parse(words)
    if words[0] == "train":
        result = type_(*words, "--dry-run", "--quiet")
        assert result.exit_code == 0, f"{words}\n{result.output}"


def options(*words: str) -> set[str]:
    """The long options of a command."""
    names = (name for param in parse([*words]).command.params for name in param.opts)
    return {name for name in names if name.startswith("--")}
