"""The maps of a slide, block by block, as if the whole of it had gone through the network."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from histokit.errors import ContractError
from histokit.interfaces import Maps, Segmenter
from histokit.run.infer import MapLayout, Windows, window_maps
from histokit.run.machine import Machine
from histokit.run.slide.blocks import LOWER, Network, Pixels, Values, block_outputs
from histokit.run.slide.plan import Block, SlidePlan
from histokit.run.slide.progress import Busy


def block_maps(
    plan: SlidePlan,
    segmenter: Segmenter,
    machine: Machine,
    windows: Windows,
    outputs: int,
    kept_bytes: int,
    blocks: Sequence[Block],
    busy: Busy,
) -> Generator[tuple[Block, Maps], None, None]:
    """Each of some blocks with the blended maps of its region, on the CPU, with a batch of one.

    The maps of a region are what `segment_image` would give there. Where no window runs, as there
    is no tissue near, each channel has what speaks most for background in the block: its lowest
    value, and the highest of the background of a softmax. See `block_outputs`.

    Args:
        plan: of the slide.
        segmenter: in eval mode.
        machine: where the network runs.
        windows: how the view was cut.
        outputs: channels of the maps.
        kept_bytes: memory for outputs that a later block needs too.
        blocks: those of the plan that are wanted, in its order.
        busy: is told how long the network works.

    Raises what `segment_image` raises.
    """
    maps = _WindowMaps(segmenter, machine, windows.batch, plan.windows.output)
    network = Network(
        run=busy.timed(maps.run),
        batch=windows.batch,
        channels=segmenter.channels,
        outputs=outputs,
        blend=segmenter.blend,
        blank=maps.blank,
    )
    found = block_outputs(plan, network, kept_bytes, blocks)
    try:
        for block, values in found:
            yield block, maps.layout.split(values)
    finally:
        found.close()


@final
class _WindowMaps:
    """The maps of windows as arrays, all of one layout."""

    def __init__(self, segmenter: Segmenter, machine: Machine, batch: int, side: int) -> None:
        self._segmenter = segmenter
        self._machine = machine
        self._batch, self._side = batch, side
        self._layout: MapLayout | None = None

    @property
    def layout(self) -> MapLayout:
        """How the maps lie in the arrays. Raises ContractError before any window ran."""
        if self._layout is None:
            raise ContractError("the maps of no window are known")
        return self._layout

    def run(self, cuts: Iterable[Pixels]) -> Iterator[Values]:
        """See `Network.run`."""
        pairs = window_maps(self._segmenter, cuts, self._machine, self._batch, self._side, LOWER)
        for found, values in pairs:
            self._layout = self._layout or found
            if found != self._layout:
                raise ContractError(
                    "segment broke its promise",
                    expected="the same maps of every window",
                    found=f"{found} after {self._layout}",
                    hint="report this to the author of the method",
                )
            yield values

    def blank(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> Values:
        """See `Network.blank`."""
        background = low.copy()
        if self.layout.activation == "softmax":
            background[0] = high[0]
        return background
