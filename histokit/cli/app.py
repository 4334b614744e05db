"""The command `histokit`: its verbs, its global options and its error boundary."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from histokit import __version__
from histokit.cli import console, lines
from histokit.cli.errors import boundary
from histokit.cli.lazy import LazyGroup, stub

VERBS = {
    "train": ("histokit.cli.train", "Train a method on a source, and adapt it to a target."),
    "predict": ("histokit.cli.predict", "Segment images with a trained method."),
    "translate": ("histokit.cli.translate", "Translate images into another stain."),
    "eval": ("histokit.cli.evaluate", "Score a trained method on a labelled data set."),
    "metrics": ("histokit.cli.metrics", "Compare two folders of images, pair by pair."),
    "compare": ("histokit.cli.compare", "Compare runs image by image, with tests."),
    "profile": ("histokit.cli.profile", "Measure what methods and networks cost."),
    "bench": ("histokit.cli.bench", "Measure how fast methods and networks are on this machine."),
    "sweep": ("histokit.cli.sweep", "Train a grid of methods, shifts and seeds, and rank them."),
    "runs": ("histokit.cli.runs", "List and show run folders."),
    "models": ("histokit.cli.models", "List, export and import trained models."),
    "demo": ("histokit.cli.demo", "Walk through train, predict and eval on made-up data."),
    "data": ("histokit.cli.data", "List, describe and verify data sets."),
    "methods": ("histokit.cli.methods", "List, describe and cite methods."),
    "check": ("histokit.cli.check", "Check that a plugin keeps the promises of the interfaces."),
    "plugins": ("histokit.cli.plugins", "List, check, make and switch off plugins."),
    "provenance": ("histokit.cli.provenance", "Show what made a file: run, command, versions."),
    "rerun": ("histokit.cli.rerun", "Make a run or outputs once more from their record."),
    "schema": ("histokit.cli.schema", "Describe what commands print and write for machines."),
    "doctor": ("histokit.cli.doctor", "Check this installation and this machine."),
}
"""Each verb: the module that holds it, as ``app``, and its line in the help."""

ANYWHERE = ("--debug", "--quiet")
"""Global options that may also stand behind the verb."""
PROGRESS = "--progress"
"""The one of them that takes a value."""
COMPLETE = "_HISTOKIT_COMPLETE"


class App(LazyGroup):
    """The root of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.homes = {verb: module for verb, (module, _) in VERBS.items()}
        self.commands = {verb: stub(verb, line) for verb, (_, line) in VERBS.items()}
        for param in self.params:
            if PROGRESS in param.opts:
                # in place of typer's own, which would cost every command an import of pydantic
                vars(param)["_runtime_param"] = OneOf()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Moves the global options to the front, so that they may stand anywhere before ``--``."""
        end = args.index("--") if "--" in args else len(args)
        moved, rest = globals_first(args[:end])
        return super().parse_args(ctx, [*moved, *rest, *args[end:]])

    def invoke(self, ctx: Any) -> Any:
        """Runs the verb inside the error boundary."""
        shown = ctx.params.get("progress")
        console.be_quiet(bool(ctx.params.get("quiet")))
        console.be_plain(shown == "plain")
        with lines.on_stderr(shown == "json"), boundary(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


class OneOf:
    """Reads a value that is one of a few words, as typer's parameters do with pydantic."""

    def coerce(self, value: str | None, param: Any, ctx: Any) -> str | None:
        """The word as it was typed. Raises a usage error for another."""
        words = [str(word) for word in param.type_descriptor.choices]
        if value is not None and value not in words:
            wrong = f"{value!r} is not one of {', '.join(words)}."
            raise typer.BadParameter(wrong, ctx=ctx, param=param)
        return value


def globals_first(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The global options among the words, each with its value, and the other words."""
    moved: list[str] = []
    rest: list[str] = []
    for number, word in enumerate(words):
        value = number > 0 and words[number - 1] == PROGRESS
        ours = value or word in ANYWHERE or word.partition("=")[0] == PROGRESS
        (moved if ours else rest).append(word)
    return moved, rest


app = typer.Typer(
    cls=App,
    name="histokit",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"histokit {__version__}")
        raise typer.Exit


def _learn_shells() -> None:
    """Makes typer's shells known, as typer itself does where it adds its own two options.

    They are made here because typer's cost every command an import of pydantic.
    """
    from typer.completion import get_completion_inspect_parameters

    get_completion_inspect_parameters()


def _install(ctx: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:
    if wanted:
        from typer.completion import install_callback

        _learn_shells()
        install_callback(ctx, param, wanted)


def _show(ctx: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:
    if wanted:
        from typer.completion import show_callback

        _learn_shells()
        show_callback(ctx, param, wanted)


def _global(*names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, show_default=False, **more)


@app.callback()
def histokit(
    version: Annotated[
        bool, _global("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, _global("--debug", help="Show tracebacks of errors.")] = False,
    quiet: Annotated[bool, _global("--quiet", help="Only results and errors.")] = False,
    progress: Annotated[
        Literal["auto", "plain", "json"],
        _global("--progress", help="How progress is shown on stderr; json: an object a line."),
    ] = "auto",
    install_completion: Annotated[
        bool,
        _global(
            "--install-completion",
            help="Teach your shell to complete histokit's words.",
            callback=_install,
            is_eager=True,
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        _global(
            "--show-completion",
            help="Show what --install-completion would install.",
            callback=_show,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Segment, translate and adapt histology images with published methods as plugins."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    if COMPLETE in os.environ:
        _learn_shells()
    command = typer.main.get_command(app)
    command.main(args=list(sys.argv[1:] if args is None else args), prog_name="histokit")
