"""A fingerprint of a trained method: its output on a fixed picture, checked again at load."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from histokit.errors import VerificationFailed
from histokit.interfaces import Adapter, Method, Segmenter, Translator

SIDE = 64
"""Least side of the picture in pixels."""
TOLERANCE = 2e-2
"""Difference, in standard deviations of the output, that devices and libraries may make."""


@torch.inference_mode()
def probe(method: Method, device: torch.device) -> dict[str, float]:
    """Mean and standard deviation of the output on a fixed pattern, in single precision; empty
    for a method that is neither segmenter nor translator. The networks must be in eval mode.
    """
    found = method.segmenter() if isinstance(method, Adapter) else method
    if not isinstance(found, Segmenter | Translator):
        return {}
    images = _pattern(found.sizes.fit(SIDE), found.channels).to(device)
    output = (
        found.segment(images).logits if isinstance(found, Segmenter) else found.translate(images)
    )
    return {"mean": float(output.float().mean()), "std": float(output.float().std())}


def check_probe(expected: Mapping[str, float], found: Mapping[str, float], name: str) -> None:
    """Raises VerificationFailed when loaded weights do not give what they gave when saved."""
    spread = abs(expected.get("std", 0.0)) + 1e-6
    far = [
        key
        for key in expected
        if not abs(expected[key] - found.get(key, np.inf)) <= TOLERANCE * spread  # NaN is far too
    ]
    if far:
        raise VerificationFailed(
            f"{name} does not behave as when it was saved",
            expected=", ".join(f"{key} {expected[key]:.6g}" for key in far),
            found=", ".join(f"{key} {found.get(key, float('nan')):.6g}" for key in far),
            hint="the plugin or a library may have changed; train again or use the old versions",
        )


def _pattern(side: int, channels: int) -> Tensor:
    """A smooth pattern, float32 [1 channels side side] in 0..1, without random numbers."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = [
        np.sin(2 * np.pi * (k + 1) * rows) * np.cos(2 * np.pi * (3 - k) * columns)
        for k in range(channels)
    ]
    return torch.from_numpy(0.5 + 0.4 * np.stack(waves)).float()[None]
