"""Networks of timm as encoders of segmentation networks, with pretrained weights or without."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from histokit.errors import DataError, UsageError

HUB = "hub"
"""The word that asks for timm's own published weights, which it downloads."""


def backbone(name: str, in_channels: int, weights: str = "") -> nn.Module:
    """A timm network that gives its feature maps, from fine to coarse.

    Its `feature_info` names the channels and the stride of each map.

    Args:
        name: as timm calls it.
        in_channels: of the image.
        weights: empty for fresh ones, ``hub`` for the published ones, or a file of the network's
            own state (``.safetensors``, or a pickle of nothing but tensors).

    Raises UsageError where timm has no such network or it gives no feature maps, DataError where
    the weights are missing or do not fit.
    """
    import timm  # imports torchvision, which is slow

    if not timm.is_model(name):
        close = get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        raise UsageError(
            f"timm has no network called {name!r}",
            expected="such as resnet50 or convnext_tiny",
            hint=f"did you mean {' or '.join(close)}?" if close else "see timm.list_models()",
        )
    source: dict[str, Any] = {}
    if weights and weights != HUB:
        source = {"pretrained_cfg_overlay": {"state_dict": read_state(Path(weights))}}
    try:
        return timm.create_model(
            name, features_only=True, in_chans=in_channels, pretrained=bool(weights), **source
        )
    except (RuntimeError, KeyError, ValueError, AttributeError, OSError) as error:
        what = f"the weights of {name} cannot be used" if weights else f"{name} is no encoder"
        raise DataError(
            what,
            expected="the state of that network" if weights else "a network with feature maps",
            found=f"{weights}: {str(error).splitlines()[0]}" if weights else str(error),
            hint="give --encoder-weights FILE, or leave it out" if weights else "try resnet50",
        ) from error


def read_state(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file by name. Nothing in it is ever executed.

    Raises DataError, naming the path.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a wide family on damaged or hostile files
        kind = "missing" if isinstance(error, FileNotFoundError) else type(error).__name__
        found = str(error).splitlines()[0] if isinstance(error, SafetensorError) else ""
        raise DataError(
            f"{path} cannot be read as weights",
            expected="a .safetensors file, or one of torch with tensors only",
            found=f"{kind} {found}".strip(),
        ) from error
    inner = state.get("state_dict", state) if isinstance(state, dict) else {}
    tensors = {name: value for name, value in inner.items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{path} holds no weights", expected="tensors by name")
    return tensors
