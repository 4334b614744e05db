"""`histokit check`: does a method, data set or network keep the promises of the interfaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from histokit.cli import completion, console
from histokit.cli.lazy import Command

if TYPE_CHECKING:
    from histokit.testing import CheckResult

app = typer.Typer(add_completion=False, rich_markup_mode=None)

WIDTH = 8
"""Columns of the status, the longest of which is ``expected``."""


@dataclass(frozen=True, slots=True)
class Target:
    """One card to check: its kind, the card, and of a data set its folder and variant."""

    kind: str
    spec: Any
    folder: Path | None = None
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to check: settings of a method, declared failures, the folder of data sets."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    data_root: Path | None = None


@app.command(cls=Command)
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="METHOD|DATASET|NETWORK", autocompletion=completion.methods, show_default=False
        ),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting to check a method with."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK=REASON", help="A check that cannot hold, and why."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder that holds data sets.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="The result as JSON.", show_default=False)
    ] = False,
) -> None:
    """Check that a plugin keeps its promises: on a CPU, on made-up images, in a minute or so.

    Whatever is called NAME is checked: a method, a data set (NAME[@VARIANT][:FOLDER]) or a
    network. Exit code 7 where a check fails.
    """
    from histokit.config.files import parse_set

    wishes = Wishes(parse_set(set_ or ()), _excuses(expect or ()), data_root)
    targets = _here(named(name), data_root)
    verdict(((target, results(target, wishes)) for target in targets), json=json)


def _here(targets: Sequence[Target], data_root: Path | None) -> list[Target]:
    """All but a data set on disk of which no folder is told, where another thing has its name."""
    absent = [
        target
        for target in targets
        if len(targets) > 1
        and target.kind == "dataset"
        and target.spec.on_disk
        and target.folder is None
        and data_root is None
    ]
    for target in absent:
        name = target.spec.name
        console.say(f"the data set {name} is left out; to check it: histokit check {name}:FOLDER")
    return [target for target in targets if target not in absent]


def _excuses(words: Sequence[str]) -> dict[str, str]:
    from histokit.errors import UsageError

    parted = {word: word.partition("=") for word in words}
    bare = [word for word, (name, _, reason) in parted.items() if not name or not reason]
    if bare:
        raise UsageError(
            f"--expect {bare[0]} gives no reason",
            expected="--expect CHECK=REASON, such as "
            "--expect 'tiled=it compares each pixel with its window'",
        )
    return {name: reason for name, _, reason in parted.values()}


def named(name: str) -> list[Target]:
    """Everything that is called `name`.

    Raises UnknownName where nothing is, and PluginError where it cannot be used.
    """
    from histokit.errors import UnknownName
    from histokit.registry import find_dataset, find_method, find_network, parse_source, scan

    source = parse_source(name)
    finders: list[Callable[[], Target]] = [
        lambda: Target("method", find_method(name)),
        lambda: Target("dataset", find_dataset(source.name), source.path, source.variant),
        lambda: Target("network", find_network(name)),
    ]
    targets = []
    for find in finders:
        try:
            targets.append(find())
        except UnknownName:
            continue
    if not targets:
        known = {offer.name for offer in scan().offers}
        raise UnknownName("method, data set or network", name, known)
    return targets


def results(target: Target, wishes: Wishes) -> Iterator[CheckResult]:
    """The results of all checks of one card, each as soon as it is there."""
    from histokit.registry import find_root
    from histokit.testing import check_dataset, check_method, check_network

    if target.kind == "dataset":
        root = find_root(target.spec, target.folder, wishes.data_root)
        return check_dataset(target.spec, root, target.variant, wishes.expected)
    if target.kind == "network":
        return check_network(target.spec, wishes.expected)
    return check_method(target.spec, wishes.expected, wishes.settings)


def verdict(checked: Iterable[tuple[Target, Iterable[CheckResult]]], *, json: bool) -> None:
    """Shows the results as they come. Raises VerificationFailed, naming what failed."""
    from histokit.errors import VerificationFailed

    rows, failed = [], []
    for target, found in checked:
        if not json:
            console.result(f"{target.kind} {target.spec.name}")
        for result in found:
            rows.append({"kind": target.kind, "of": target.spec.name, **asdict(result)})
            if not json:
                text = result.reason or result.promise
                console.result(f"  {result.status:<{WIDTH}}  {result.name}: {text}")
            if not result.sound:
                failed.append(f"{target.spec.name} {result.name}")
    if json:
        console.result_json(rows)
    if failed:
        raise VerificationFailed(
            f"{len(failed)} of {len(rows)} checks failed: " + ", ".join(failed),
            hint="mend the plugin, or declare with --expect CHECK=REASON what cannot hold",
        )
    kinds = Counter(row["status"] for row in rows)
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    console.say(f"{len(rows)} checks, none failed: {told}")
