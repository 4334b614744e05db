"""What plugin authors test with; of the product itself only `histokit check` imports it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from histokit.testing.cases import parametrize
    from histokit.testing.checks import CheckResult
    from histokit.testing.curves import loss_curve
    from histokit.testing.kit import check_dataset, check_method, check_network
    from histokit.testing.toy import ToyTissue, toy_feeds, toy_images

_HOMES = {
    "CheckResult": "checks",
    "ToyTissue": "toy",
    "check_dataset": "kit",
    "check_method": "kit",
    "check_network": "kit",
    "loss_curve": "curves",
    "parametrize": "cases",
    "toy_feeds": "toy",
    "toy_images": "toy",
}

__all__ = [
    "CheckResult",
    "ToyTissue",
    "check_dataset",
    "check_method",
    "check_network",
    "loss_curve",
    "parametrize",
    "toy_feeds",
    "toy_images",
]


def __getattr__(name: str) -> Any:
    """Imports a name when it is asked for: pytest and torch are not needed by all of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"histokit.testing.{_HOMES[name]}"), name)
