"""Taps: the feature map that a submodule gives while the whole network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from histokit.errors import ContractError, UnknownName
from histokit.interfaces.network import Network

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


def tap_path(network: Network, name: str) -> str:
    """The submodule path of a tap by its name. Raises UnknownName with the names that exist."""
    if name not in network.taps:
        raise UnknownName(f"tap of the network {network.name}", name, network.taps)
    return network.taps[name]


def with_tap(module: nn.Module, path: str, images: Images) -> tuple[Any, Tensor]:
    """Runs `module` once and gives (its output, the output of its submodule at `path`).

    The features keep their graph. No trace is left on the module, not even when it fails.
    Raises ContractError when there is no such submodule, when it did not run, or when it did not
    give a tensor.
    """
    seen: list[Any] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen.append(output)

    handle = _submodule(module, path).register_forward_hook(keep)
    try:
        output = module(images)
    finally:
        handle.remove()
    if not seen or not isinstance(seen[-1], Tensor):
        raise ContractError(
            f"the tap {path!r} of {type(module).__name__} gave no feature map",
            expected="a submodule that runs in every forward pass and gives a tensor",
            found=type(seen[-1]).__name__ if seen else "a submodule that did not run",
        )
    return output, seen[-1]


def _submodule(module: nn.Module, path: str) -> nn.Module:
    known = dict(module.named_modules())
    known.pop("", None)
    if path not in known:
        raise ContractError(
            f"{type(module).__name__} has no submodule {path!r} to tap",
            expected="one of " + ", ".join(known),
            hint="correct the taps on the card of the network",
        )
    return known[path]
