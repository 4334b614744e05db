"""A new plugin from a template: a method that works, its card, and tests that call the kit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, get_args

from histokit.errors import UsageError
from histokit.io.files import write_text
from histokit.registry.discovery import scan

PluginKind = Literal["segmenter", "translator", "adapter"]

ENDING = ".tmpl"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SLOT = re.compile(r"@(\w+)@")
LOSSES = {"segmenter": "total", "translator": "l1", "adapter": "seg"}
"""The loss of each template whose fall its own test looks at."""
WALKS = {
    "segmenter": "histokit train {0} --source synth-he --steps 200\n"
    "histokit eval {0} --target synth-he\nhistokit predict {0} ./tiles -o ./nuclei",
    "translator": "histokit train {0} --pairs synth-he-ihc\n"
    "histokit eval {0} --target synth-he-ihc\nhistokit translate {0} ./tiles -o ./translated",
    "adapter": "histokit train {0} --source synth-he --target synth-he@kidney\n"
    "histokit eval {0} --target synth-he@kidney\nhistokit predict {0} ./tiles -o ./nuclei",
}
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "CARD.md": "CARD.md",
    "__init__.py": "{package}/__init__.py",
    "method.py": "{package}/method.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_method.py": "tests/test_method.py",
}
"""Where each template goes."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """The names of a new plugin, all made from the word typed for its method."""

    name: str
    kind: PluginKind

    @property
    def distribution(self) -> str:
        """What `pip` calls it."""
        return f"histokit-{self.name}"

    @property
    def package(self) -> str:
        """What Python calls it."""
        return self.distribution.replace("-", "_")

    def slots(self) -> dict[str, str]:
        """What stands for each ``@word@`` of the templates."""
        return {
            "name": self.name,
            "kind": self.kind,
            "distribution": self.distribution,
            "package": self.package,
            "class": "".join(part.capitalize() for part in self.name.split("-")),
            "loss": LOSSES[self.kind],
            "walk": WALKS[self.kind].format(self.name),
        }


def new_plugin(name: str, kind: PluginKind, out: Path | None = None) -> list[Path]:
    """Writes a plugin and gives its files.

    Args:
        name: the word to type for its method.
        kind: what the method does.
        out: a folder that is new or empty; by default one called like the method.

    Raises UsageError for a name that cannot be one or is taken, and for a folder that holds
    something already: nothing is ever overwritten.
    """
    plugin = Plugin(name, kind)
    _check_name(plugin)
    folder = out if out is not None else Path(plugin.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} holds something already",
            expected="a new or empty folder; nothing is overwritten",
            hint="--out FOLDER",
        )
    slots = plugin.slots()
    written = []
    for template in _templates(kind):
        place = PLACES[template.name.removesuffix(ENDING)].format(package=plugin.package)
        text = SLOT.sub(lambda match: slots[match[1]], template.read_text(encoding="utf-8"))
        written.append(_written(folder / place, text))
    return [*written, _written(folder / plugin.package / "py.typed", "")]


def _templates(kind: str) -> list[Traversable]:
    root = files("histokit.testing") / "templates"
    found = [*(root / "shared").iterdir(), *(root / kind).iterdir()]
    return sorted((one for one in found if one.name.endswith(ENDING)), key=lambda one: one.name)


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path


def _check_name(plugin: Plugin) -> None:
    if plugin.kind not in get_args(PluginKind):
        raise UsageError(
            f"no kind of plugin is called {plugin.kind!r}",
            expected=" or ".join(get_args(PluginKind)),
        )
    if not NAME.fullmatch(plugin.name) or plugin.name.startswith("histokit"):
        raise UsageError(
            f"{plugin.name!r} cannot be the name of a method",
            expected="a-z, 0-9 and single hyphens, beginning with a letter and not with histokit",
            hint="my-seg, for example; the distribution becomes histokit-my-seg",
        )
    for offer in scan().offers:
        if plugin.name == offer.name or plugin.distribution == offer.distribution:
            raise UsageError(
                f"{plugin.name!r} is taken",
                found=f"{offer.name} of {offer.distribution} {offer.version}",
                hint="take another name",
            )
