"""Where published weights of presets lie: the user's folder, the plugin, the hub's cache."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from histokit.interfaces import MethodSpec
from histokit.registry.methods import find_preset

FOLDER = "HISTOKIT_WEIGHTS"
"""Environment variable: a folder of weights files."""


def published_weights(spec: MethodSpec, preset: str) -> Path | None:
    """The weights file of a preset: in the folder of ``HISTOKIT_WEIGHTS``, in the plugin package,
    or fetched from the Hugging Face hub before; None where it is in none of them.

    Nothing is fetched here: histokit asks the network for nothing by itself (see `hub_line`).
    """
    card = find_preset(spec, preset) if preset else None
    if card is None or not card.weights:
        return None
    folders = [Path(os.environ[FOLDER])] if FOLDER in os.environ else []
    module = import_module(spec.factory.partition(":")[0].partition(".")[0])
    folders.append(Path(module.__file__ or ".").parent / "weights")
    folders += [snapshot] if card.hub and (snapshot := hub_snapshot(card.hub)) else []
    return next((f / card.weights for f in folders if (f / card.weights).is_file()), None)


def hub_snapshot(repository: str) -> Path | None:
    """The folder of the newest fetched state of ``owner/name``, in the cache that the hub's own
    tools keep; None where it was never fetched.
    """
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    folder = cache / ("models--" + repository.replace("/", "--"))
    ref = folder / "refs" / "main"
    return folder / "snapshots" / ref.read_text("utf-8").strip() if ref.is_file() else None


def hub_line(spec: MethodSpec, preset: str) -> str:
    """The command that fetches the weights of a preset; empty where they are on no hub."""
    card = find_preset(spec, preset) if preset else None
    return f"hf download {card.hub} {card.weights}" if card and card.weights and card.hub else ""
