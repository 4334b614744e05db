"""The options of a method's sub-command, made from its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion
from histokit.cli.lazy import Command
from histokit.config.options import Setting, describe
from histokit.errors import PluginError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from histokit.interfaces.spec import MethodSpec

RUN_PANEL = "The run"
COMMON_PANEL = "Where settings come from"
ADDITION_PANEL = "Adding images of another data set"
GLOBAL = frozenset({"help", "debug", "quiet", "progress", "version"})
METAVARS = {"number": "FLOAT", "integer": "INT", "text": "TEXT", "path": "PATH", "flag": "BOOL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonFlags:
    """What every method's sub-command takes beside settings.

    Attributes:
        config: a YAML file of settings.
        set: ``key=value`` pairs, as typed.
        preset: name of a preset of the method.
        resume: a run folder to go on with.
        dry_run: show the plan and stop.
        json: the result as JSON.
        base: data set to which images of another are added, as typed.
        novel_batches: numbers of such images, as typed.
        arms: presets that are trained beside each other then, as typed.
    """

    config: Path | None = None
    set: tuple[str, ...] = ()
    preset: str | None = None
    resume: Path | None = None
    dry_run: bool = False
    json: bool = False
    base: str | None = None
    novel_batches: str | None = None
    arms: str | None = None


MethodCallback = Callable[["MethodSpec", dict[str, Any], dict[str, Any], CommonFlags], None]
"""What runs a method's sub-command: card, method values, run values (both as far as they were
typed) and the common flags."""


class SettingsCommand(Command):
    """A command whose help puts each panel of options under its own heading."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes one section a panel, in order of first appearance."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                panel = getattr(param, "rich_help_panel", None) or "Options"
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


def build_command(
    spec: MethodSpec, callback: MethodCallback, run: type[BaseModel], *, name: str = ""
) -> Any:
    """The command that sets a method's settings and the run's and calls `callback`.

    Args:
        spec: the method's card.
        callback: see `MethodCallback`.
        run: the settings that do not belong to the method.
        name: the word typed for the method; by default its name.

    Raises PluginError where a setting of the method has the name of another option.
    """
    own, shared = describe(spec.config), describe(run)
    _check_names(spec, own, shared)

    def command(**typed: Any) -> None:
        callback(spec, _typed(own, typed), _typed(shared, typed), _flags(typed))

    settings = _parameters(own, f"Settings of {spec.name}") + _parameters(shared, RUN_PANEL)
    parameters = [*settings, *_common(spec)]
    annotations = {parameter.name: parameter.annotation for parameter in parameters}
    command.__annotations__ = annotations
    # typer reads the options from here, as it would from a function written by hand
    vars(command)["__signature__"] = inspect.Signature(parameters)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(
        name=name or spec.name,
        cls=SettingsCommand,
        help=_help(spec),
        context_settings={"max_content_width": 100},
    )(command)
    return typer.main.get_command(app)


def _help(spec: MethodSpec) -> str:
    roles = ", ".join(spec.roles)
    return f"{spec.name} ({roles}): {spec.summary}.\n\nReads while it trains: {spec.access.value}."


def _check_names(spec: MethodSpec, own: Sequence[Setting], shared: Sequence[Setting]) -> None:
    taken = GLOBAL | {field.name for field in fields(CommonFlags)} | {item.name for item in shared}
    clash = sorted(taken & {item.name for item in own})
    if clash:
        raise PluginError(
            f"method {spec.name!r} has settings with the names of other options",
            expected="other names than those of `histokit train`'s own options",
            found=", ".join(clash),
            hint="rename them in the plugin's config class",
        )


def _parameters(settings: Sequence[Setting], panel: str) -> list[inspect.Parameter]:
    return [_parameter(setting, panel) for setting in settings]


def _parameter(setting: Setting, panel: str) -> inspect.Parameter:
    declared = setting.options
    if setting.flag:
        declared = tuple(f"{name}/--no-{name[2:]}" for name in declared)
    option = typer.Option(
        *declared,
        help=_explained(setting),
        metavar=None if setting.flag else metavar(setting),
        show_default=False,
        rich_help_panel=panel,
        autocompletion=None if setting.flag else completion.of_setting(setting),
    )
    kind = bool if setting.flag else str
    return _keyword(setting.name, Annotated[kind | None, option], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def metavar(setting: Setting) -> str:
    """What stands for the value in the help: ``FLOAT``, ``mean|max``, ``FLOAT,…``."""
    if setting.choices:
        return setting.type
    if setting.many:
        inner = setting.type.removeprefix("list of ")
        return f"{METAVARS.get(inner, 'TEXT')},…"
    return METAVARS.get(setting.type, "TEXT")


def _explained(setting: Setting) -> str:
    notes = [f"default: {setting.shown_default}"] if setting.shown_default else []
    notes += [setting.bounds] if setting.bounds else []
    return f"{setting.help} [{'; '.join(notes)}]".strip() if notes else setting.help


def _typed(settings: Sequence[Setting], typed: Mapping[str, Any]) -> dict[str, Any]:
    given = {item.name: (item, typed[item.name]) for item in settings}
    return {
        name: item.parse(value) if isinstance(value, str) else value
        for name, (item, value) in given.items()
        if value is not None
    }


def _flags(typed: Mapping[str, Any]) -> CommonFlags:
    values = {field.name: typed[field.name] for field in fields(CommonFlags)}
    return CommonFlags(**{**values, "set": tuple(values["set"] or ())})


def _common(spec: MethodSpec) -> list[inspect.Parameter]:
    def option(*names: str, **more: Any) -> Any:
        return typer.Option(*names, show_default=False, rich_help_panel=COMMON_PANEL, **more)

    presets = ", ".join(spec.presets) or "none"
    config = option("--config", metavar="FILE.yaml", help="Settings from a YAML file.")
    several = option("--set", metavar="KEY=VALUE", help="One more setting; may be repeated.")
    preset = option(
        "--preset",
        metavar="NAME",
        help=f"A named variant: {presets}.",
        autocompletion=completion.of_words(dict.fromkeys(spec.presets, "")),
    )
    resume = option(
        "--resume", metavar="RUN", help="Go on with a run.", autocompletion=completion.runs
    )
    dry_run = option("--dry-run", help="Show what would be done and stop.")
    json = option("--json", help="The result as JSON on stdout.")
    return [
        _keyword("config", Annotated[Path | None, config], None),
        _keyword("set", Annotated[list[str] | None, several], None),
        _keyword("preset", Annotated[str | None, preset], None),
        _keyword("resume", Annotated[Path | None, resume], None),
        _keyword("dry_run", Annotated[bool, dry_run], False),
        _keyword("json", Annotated[bool, json], False),
        *_additions(),
    ]


def _additions() -> list[inspect.Parameter]:
    def option(*names: str, metavar: str, help: str, **more: Any) -> Any:
        return typer.Option(
            *names,
            metavar=metavar,
            help=help,
            show_default=False,
            rich_help_panel=ADDITION_PANEL,
            **more,
        )

    base = option(
        "--base",
        metavar="DATASET",
        help="Train on it and on more and more images of the method's --novel; score on it.",
        autocompletion=completion.datasets,
    )
    batches = option("--novel-batches", metavar="N,N,…", help="How many images are added.")
    arms = option(
        "--arms",
        metavar="PRESET,…",
        help="Presets that are trained beside each other; by default those that the method names.",
    )
    return [
        _keyword("base", Annotated[str | None, base], None),
        _keyword("novel_batches", Annotated[str | None, batches], None),
        _keyword("arms", Annotated[str | None, arms], None),
    ]
