"""Overlapping outputs blended back into one map of the whole image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.errors import ContractError
from histokit.tiling.grid import Grid

Values = NDArray[np.float32]

Blend: TypeAlias = Literal["taper", "gaussian"]
"""See `histokit.interfaces.Segmenter.blend`."""

FLOOR = 1e-3
"""Least weight of a tapered pixel, as part of the weight in the middle of a window."""
SIGMA = 1 / 8
"""Standard deviation of the Gaussian, as part of the side of a window, as nnU-Net has it."""


@final
class Stitcher:
    """Collects the outputs of a grid in any order and blends them.

    Each output weighs most in its middle and falls off towards its sides, as a squared cosine or
    as a Gaussian. The weights of a pixel sum to 1, so what all windows agree on comes back as it
    was. Memory: the map, float32 [K H W], and one output.

    Args:
        layout: the grid.
        channels: K, channels of each output.
        blend: how the weights fall off.
    """

    def __init__(self, layout: Grid, channels: int, blend: Blend = "taper") -> None:
        self._grid = layout
        # NumPy asks the system for large pages, which torch does not: half the time of zeros
        self._map = torch.from_numpy(np.zeros((channels, layout.height, layout.width), np.float32))
        self._rows = _weights(layout.tops, layout.output, layout.height, blend)
        self._cols = _weights(layout.lefts, layout.output, layout.width, blend)
        self._missing = set(range(len(layout)))

    def add(self, index: int, values: NDArray[Any]) -> None:
        """Blends one output in.

        Args:
            index: of the window in the grid; each is added once.
            values: [K h w] of the output's side, any float type.

        Raises ContractError for another shape and for a window that was added before.
        """
        side = self._grid.output
        if values.shape != (self._map.shape[0], side, side):
            raise ContractError(
                "the output of a window has the wrong size",
                expected=f"[{self._map.shape[0]}, {side}, {side}]",
                found=str(list(values.shape)),
                hint="declare the size change of the network as `Sizes.shrink` on its card",
            )
        if index not in self._missing:
            raise ContractError(f"window {index} was blended twice or is not in the grid")
        row, col = divmod(index, len(self._grid.lefts))
        window = self._grid[index]
        weight = torch.from_numpy(self._rows[row][:, None] * self._cols[col])
        part = torch.from_numpy(np.require(values[:, *window.inner], np.float32, "W"))
        self._map[:, *window.place].addcmul_(part, weight)  # one pass; NumPy needs two and a copy
        self._missing.remove(index)

    def result(self) -> Values:
        """The map, float32 [K H W]. Raises ContractError while a window is missing."""
        if self._missing:
            raise ContractError(
                "the map has holes",
                expected=f"all {len(self._grid)} windows",
                found=f"{len(self._missing)} missing, the first being {min(self._missing)}",
            )
        return self._map.numpy()


def stitch(outputs: Iterable[NDArray[Any]], layout: Grid) -> Values:
    """The blended map, float32 [K H W], of all outputs [K h w] in the order of the grid.

    Raises ContractError where they are too few, too many or of the wrong shape.
    """
    stitcher: Stitcher | None = None
    for index, values in enumerate(outputs):
        stitcher = stitcher or Stitcher(layout, values.shape[0])
        stitcher.add(index, values)
    return (stitcher or Stitcher(layout, 0)).result()


def _weights(starts: tuple[int, ...], output: int, size: int, blend: Blend) -> list[Values]:
    """The weight along one axis of each window's pixels inside the image.

    A window's weight at a pixel is the product of one such vector for each axis, and as the grid
    is a product too, making each axis sum to 1 makes the whole sum to 1.
    """
    phase = (np.arange(output) + 0.5) / output - 0.5
    if blend == "gaussian":
        bell = np.exp(-((phase / SIGMA) ** 2) / 2)
    else:
        bell = np.maximum(np.cos(np.pi * phase) ** 2, FLOOR)
    spans = [(max(start, 0), min(start + output, size)) for start in starts]
    total = np.zeros(size)
    for start, (low, high) in zip(starts, spans, strict=True):
        total[low:high] += bell[low - start : high - start]
    return [
        (bell[low - start : high - start] / total[low:high]).astype(np.float32)
        for start, (low, high) in zip(starts, spans, strict=True)
    ]
