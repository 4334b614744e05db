"""Where a result comes from: versions, device, command."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

from histokit import __version__
from histokit.run.machine import Machine

LIBRARIES = ("torch", "numpy", "scipy", "scikit-image", "lightning-fabric", "safetensors")


def environment(machine: Machine) -> dict[str, Any]:
    """What env.json holds: versions, device and the command as it was typed."""
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
        "command": ["histokit", *sys.argv[1:]],
    }
