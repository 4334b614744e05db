"""histokit: segment, translate and adapt histology images with published methods as plugins.

`train`, `resume`, `load`, `predict`, `translate` and `evaluate` do what the commands of the same
names do; see `histokit.api`. They are imported when they are first used, because torch is slow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histokit.api import evaluate, load, predict, resume, train, translate

__version__ = "0.1.0"
API_VERSION = "1.0"

__all__ = [
    "API_VERSION",
    "__version__",
    "evaluate",
    "load",
    "predict",
    "resume",
    "train",
    "translate",
]
_VERBS = frozenset(("evaluate", "load", "predict", "resume", "train", "translate"))


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module("histokit.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
