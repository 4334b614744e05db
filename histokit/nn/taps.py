"""Taps: the feature maps that submodules give while the whole network runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    As `with_taps` does with a single tap.
    """
    output, (features,) = with_taps(module, [path], images)
    return output, features


def with_taps(
    module: nn.Module, paths: Sequence[str], images: Images
) -> tuple[Any, tuple[Tensor, ...]]:
    """Runs `module` once and gives (its output, the outputs of its submodules at `paths`).

    The features keep their graph. No trace is left on the module, not even when it fails.
    Raises ContractError when there is no such submodule, when one did not run, or when it did not
    give a tensor.
    """
    parts = [_submodule(module, path) for path in paths]
    seen: dict[str, Any] = {}
    handles = [
        part.register_forward_hook(_keeper(seen, path))
        for part, path in zip(parts, paths, strict=True)
    ]
    try:
        output = module(images)
    finally:
        for handle in handles:
            handle.remove()
    return output, tuple(_feature_map(module, path, seen) for path in paths)


def _keeper(seen: dict[str, Any], path: str) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen[path] = output

    return keep


def _feature_map(module: nn.Module, path: str, seen: Mapping[str, Any]) -> Tensor:
    features = seen.get(path)
    if isinstance(features, Tensor):
        return features
    raise ContractError(
        f"the tap {path!r} of {type(module).__name__} gave no feature map",
        expected="a submodule that runs in every forward pass and gives a tensor",
        found=type(features).__name__ if path in seen else "a submodule that did not run",
    )


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
