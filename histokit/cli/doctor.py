"""`histokit doctor`: is this installation sound, and what does this machine have."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib import metadata as installed
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from histokit import __version__
from histokit.cli import console
from histokit.cli.lazy import Command

CORE = "histokit-core"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what it is, what was found, and what to type where it is wrong."""

    name: str
    status: Literal["ok", "note", "warning", "problem"]
    found: str
    hint: str = ""


@app.command(cls=Command)
def doctor(
    json: Annotated[
        bool, typer.Option("--json", help="The result as JSON.", show_default=False)
    ] = False,
) -> None:
    """Check this installation and this machine. Exit code 7 where something must be mended."""
    from histokit.errors import VerificationFailed

    checks = list(examine())
    if json:
        console.result_json([asdict(check) for check in checks])
    else:
        console.table(
            [[c.status, c.name, c.found, c.hint or None] for c in checks],
            ["", "what", "found", "try"],
        )
    problems = [check.name for check in checks if check.status == "problem"]
    if problems:
        raise VerificationFailed(
            "this installation does not work: " + ", ".join(problems),
            hint="; ".join(c.hint for c in checks if c.status == "problem"),
        )


def examine() -> Iterator[Check]:
    """Every check, in the order of the table."""
    yield Check("histokit", "ok", f"{__version__} in {Path(__file__).parents[1]}")
    yield Check("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Check("platform", "ok", platform.platform())
    yield Check("processor", "ok", f"{cores()} cores, {_memory()} of memory")
    yield from _torch()
    yield from _dependencies()
    yield from _plugins()
    yield _data()


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "an unknown amount"
    return f"{size / 2**30:.1f} GiB"


def _torch() -> Iterator[Check]:
    try:
        torch = import_module("torch")
        found = f"{torch.__version__}, {torch.get_num_threads()} threads"
    except Exception as error:  # one that is half installed raises anything
        absent = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        hint = "pip install torch" if absent else "pip install --force-reinstall torch"
        yield Check("torch", "problem", _told(error), hint)
        return
    yield Check("torch", "ok", found)
    try:
        yield from _cards(torch)
    except Exception as error:  # so does a driver that is another than torch's
        hint = "install a torch built for this driver, or use --device cpu"
        yield Check("CUDA", "warning", _told(error), hint)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _cards(torch: Any) -> Iterator[Check]:
    if not torch.cuda.is_available():
        built = torch.version.cuda
        found = f"none seen (torch built for CUDA {built})" if built else "torch built without CUDA"
        yield Check("CUDA", "note", f"{found}; the CPU is used")
        return
    bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        memory = f"{card.total_memory / 2**30:.0f} GiB"
        name = f"CUDA {torch.version.cuda} device {index}"
        yield Check(name, "ok", f"{card.name}, {memory}, {bf16}")


def _dependencies() -> Iterator[Check]:
    from packaging.requirements import Requirement

    try:
        wanted = installed.requires(CORE) or []
    except installed.PackageNotFoundError:
        yield Check(CORE, "warning", "runs from a folder, not installed", f"pip install {CORE}")
        return
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _dependency(requirement)


def _dependency(requirement: Any) -> Check:
    name, wanted = requirement.name, requirement.specifier
    hint = f"pip install '{name}{wanted}'"
    try:
        version = installed.version(name)
    except installed.PackageNotFoundError:
        return Check(name, "problem", "not installed", hint)
    if not wanted.contains(version, prereleases=True):
        return Check(name, "problem", f"{version}, but {wanted} is needed", hint)
    return Check(name, "ok", version)


def _plugins() -> Iterator[Check]:
    from histokit.registry import list_datasets, list_methods, list_networks, scan

    for culprit in scan().broken:
        found = f"{culprit.path}, {culprit.reason}"
        hint = f"pip install --force-reinstall {culprit.distribution}"
        yield Check(f"metadata of {culprit.distribution}", "warning", found, hint)
    listers: dict[str, Callable[[], list[Any]]] = {
        "methods": list_methods,
        "data sets": list_datasets,
        "networks": list_networks,
    }
    for word, lister in listers.items():
        entries = lister()
        sound = [entry.typed for entry in entries if entry.status == "ok"]
        yield Check(word, "ok" if sound else "note", ", ".join(sound) or "none")
        for entry in entries:
            if entry.status == "broken" and entry.offer.object:
                hint = f"pip install --upgrade {entry.offer.distribution}"
                yield Check(f"{entry.typed} ({word})", "warning", entry.reason, hint)


def _data() -> Check:
    from histokit.registry.datasets import VARIABLE, base_folder

    base = base_folder()
    if base is None:
        return Check(VARIABLE, "note", "not set", f"export {VARIABLE}=FOLDER of your data sets")
    if not base.is_dir():
        return Check(VARIABLE, "warning", f"{base} is not a folder", f"export {VARIABLE}=FOLDER")
    return Check(VARIABLE, "ok", str(base))
