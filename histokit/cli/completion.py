"""What the shell may complete; nothing here imports a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from histokit.config.options import Setting

Completer = Callable[[str], list[tuple[str, str]]]
"""From the beginning of a word to the words it may become, each with a help line."""


def methods(incomplete: str) -> list[tuple[str, str]]:
    """Names of installed methods."""
    from histokit.registry.discovery import METHODS

    return _offered(METHODS, incomplete)


def datasets(incomplete: str) -> list[tuple[str, str]]:
    """Names of installed data sets."""
    from histokit.registry.discovery import DATASETS

    return _offered(DATASETS, incomplete)


def networks(incomplete: str) -> list[tuple[str, str]]:
    """Names of installed networks."""
    from histokit.registry.discovery import NETWORKS

    return _offered(NETWORKS, incomplete)


def runs(incomplete: str) -> list[tuple[str, str]]:
    """Run folders: those of ``runs/``, newest first, and those that the word leads to."""
    folders = [*_run_folders(Path("runs")), *_run_folders(Path(incomplete).parent)]
    words = dict.fromkeys(str(folder) for folder in folders)
    return _starting(dict.fromkeys(words, "run"), incomplete)


def runs_or_methods(incomplete: str) -> list[tuple[str, str]]:
    """Whatever may stand for trained weights: methods and run folders."""
    return [*methods(incomplete), *runs(incomplete)]


def of_words(words: Mapping[str, str]) -> Completer:
    """A completer of fixed words."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        return _starting(words, incomplete)

    return complete


def of_setting(setting: Setting) -> Completer | None:
    """The completer of a setting's values; None where they are not known."""
    if setting.choices:
        return of_words({str(choice): "" for choice in setting.choices})
    known = {"source": datasets, "target": datasets, "network": networks}
    return known.get(setting.name)


def _offered(group: str, incomplete: str) -> list[tuple[str, str]]:
    from histokit.registry.discovery import scan

    words = {o.name: o.distribution for o in scan().offers if o.group == group}
    return _starting(words, incomplete)


def _run_folders(base: Path) -> Iterable[Path]:
    return sorted((path.parent for path in base.glob("*/run.yaml")), reverse=True)


def _starting(words: Mapping[str, str], incomplete: str) -> list[tuple[str, str]]:
    return [(word, text) for word, text in words.items() if word.startswith(incomplete)]
