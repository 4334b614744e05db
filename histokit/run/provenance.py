"""What is written down of where a result comes from: versions, device, command."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from histokit import __version__
from histokit.io.files import write_json
from histokit.run.machine import Machine

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "lightning-fabric", "safetensors")

RECORD = "provenance.json"
"""The name of a folder's record."""
WEIGHTS = ("method", "run", "digest", "mpp", "data")
"""What a record says of weights."""


def environment(machine: Machine) -> dict[str, Any]:
    """What env.json holds: versions, device, and the command as it was typed, and where."""
    plugins = {
        dist.metadata["Name"]: dist.version
        for dist in metadata.distributions()
        if (dist.metadata["Name"] or "").startswith("histokit-")
    }
    return {
        "histokit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": machine.describe(),
        "world": machine.world,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "plugins": dict(sorted(plugins.items())),
        "command": typed(),
        "folder": str(Path.cwd()),
    }


def typed() -> list[str]:
    """The command as it was typed; empty where Python called."""
    program = Path(sys.argv[0])
    ours = program.stem == "histokit" or program.parts[-2:] == ("histokit", "__main__.py")
    return ["histokit", *sys.argv[1:]] if ours else []


def write_record(folder: Path, machine: Machine, card: Mapping[str, Any] | None) -> None:
    """Says in a folder where what is in it comes from: versions, command, and the weights by their
    card; None where there were none.
    """
    weights = None if card is None else {key: card.get(key) for key in WEIGHTS}
    write_json(folder / RECORD, {**environment(machine), "weights": weights})
