"""Groups of commands that import a command only when it is called or its help is asked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from histokit.cli import console
from histokit.errors import HistokitError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from histokit.cli.options import MethodCallback
    from histokit.registry import Entry


def quick_help(option: Any) -> Any:
    """The ``--help`` option with a plain default.

    Without one, typer 0.29 imports pydantic to read that ``--help`` was not typed.
    """
    if option is not None:
        option.default = False
    return option


class Group(TyperGroup):
    """A group that starts quickly."""

    def get_help_option(self, ctx: Any) -> Any:
        """See `quick_help`."""
        return quick_help(super().get_help_option(ctx))


class Command(TyperCommand):
    """A command that starts quickly."""

    def get_help_option(self, ctx: Any) -> Any:
        """See `quick_help`."""
        return quick_help(super().get_help_option(ctx))


class LazyGroup(Group):
    """A group that knows the name and one line of each command, and where it lies.

    A sub-class sets `commands` to stubs and `homes` to the module of each command, whose
    attribute ``app`` is a `typer.Typer` or a command.
    """

    homes: Mapping[str, str]

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command that the first word names, imported now."""
        name, listed, rest = super().resolve_command(ctx, args)
        if name is None or listed is None:
            return None, None, rest
        return name, load_command(self.homes[name], name), rest


def stub(name: str, summary: str) -> TyperCommand:
    """A command that can be listed and completed, but not run."""
    return TyperCommand(name, help=summary, short_help=summary, rich_markup_mode=None)


def load_command(module: str, name: str) -> Any:
    """The command ``app`` of a module, under the name it is called by."""
    app = import_module(module).app
    command = typer.main.get_command(app) if isinstance(app, typer.Typer) else app
    command.name = name
    return command


def method_command(
    name: str, callback: MethodCallback, *, run: type[BaseModel], help: str = ""
) -> Any:
    """The command ``histokit NAME METHOD [OPTIONS]``, one sub-command an installed method.

    Args:
        name: the verb.
        callback: called with the card, the values typed for the method's settings and for the
            run's, and the common flags.
        run: the run's settings.
        help: what the verb does.
    """
    return MethodGroup(
        name=name,
        help=help,
        verb=callback,
        run=run,
        no_args_is_help=True,
        options_metavar="",
        subcommand_metavar="METHOD [OPTIONS]",
        rich_markup_mode=None,
        context_settings={"max_content_width": 100},
    )


class MethodGroup(Group):
    """A verb whose sub-commands are the installed methods, each built when it is called."""

    def __init__(self, *, verb: MethodCallback, run: type[BaseModel], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.verb = verb
        self.run = run

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the offered methods; imports none of them."""
        from histokit.registry.discovery import METHODS, scan

        return sorted({offer.name for offer in scan().offers if offer.group == METHODS})

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """A stub for listing and completion."""
        return stub(cmd_name, "") if cmd_name in self.list_commands(ctx) else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The sub-command of a method, made from its settings.

        Raises what `histokit.registry.find_method` raises.
        """
        from histokit.cli.options import build_command
        from histokit.registry import find_method

        name = args[0]
        if name.startswith("-"):
            return super().resolve_command(ctx, args)
        try:
            command = build_command(find_method(name), self.verb, self.run, name=name)
        except HistokitError:
            if ctx.resilient_parsing:
                return None, None, args[1:]
            raise
        return name, command, args[1:]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Lists the methods with a line each; a broken one is grey and says why."""
        from histokit.registry import list_methods

        rows = [_row(entry) for entry in list_methods()]
        with formatter.section("Methods"):
            if rows:
                formatter.write_dl(rows)
            else:
                formatter.write_text("none is installed; pip install histokit-mani, for example")


def _row(entry: Entry) -> tuple[str, str]:
    if entry.status == "broken":
        return console.dim(entry.typed), console.dim(f"broken: {' '.join(entry.reason.split())}")
    note = f" ({entry.reason})" if entry.reason else ""
    return entry.typed, f"{entry.card.summary}{note}"
