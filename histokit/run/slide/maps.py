"""The maps of a slide, block by block, as if the whole of it had gone through the network."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from histokit.data.colour import as_grey
from histokit.errors import ContractError
from histokit.interfaces import Maps, Segmenter
from histokit.run.infer import MapLayout, Windows, window_maps
from histokit.run.machine import Machine
from histokit.run.slide.ahead import ahead
from histokit.run.slide.plan import Block, SlidePlan
from histokit.tiling.grid import mirrored
from histokit.tiling.stitch import Stitcher

Values = NDArray[np.float32]
LOWER = "lower --max-memory, --window or --batch, or use --device cpu"
"""What can be told when memory runs out on a slide."""


def block_maps(
    plan: SlidePlan,
    segmenter: Segmenter,
    machine: Machine,
    windows: Windows,
    kept_bytes: int,
) -> Generator[tuple[Block, Maps], None, None]:
    """Each block with the blended maps of its region, on the CPU, with a batch of one.

    Windows, weights and blending are those of the whole view, so that the maps of a region are
    what `segment_image` would give there. Where no window runs, as there is no tissue near, each
    channel has what speaks most for background in the block: its lowest value, and the highest of
    the background of a softmax. The next block is read, and its maps are made, while one is in
    use.

    Args:
        plan: of the slide.
        segmenter: in eval mode.
        machine: where the network runs.
        windows: how the view was cut.
        kept_bytes: memory for outputs that a later block needs too.

    Raises what `segment_image` raises.
    """
    work = _Windows(plan, segmenter, machine, windows.batch, kept_bytes)
    read = ahead((block, work.image(block)) for block in plan.blocks)
    try:
        yield from ahead((image[0], work.maps(*image)) for image in read)
    finally:
        read.close()


@final
class _Image:
    """A part of the view that holds all pixels of some windows.

    Args:
        pixels: uint8 [h w C].
        top, left: of the part.
        size: rows and columns of the view.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], top: int, left: int, size: tuple[int, int]
    ) -> None:
        self._pixels = pixels
        self._top, self._left = top, left
        self._size = size

    def cut(self, rows: range, cols: range) -> NDArray[np.uint8]:
        """The pixels of a window, mirrored at the borders of the slide."""
        r = mirrored(rows, self._size[0]) - self._top
        c = mirrored(cols, self._size[1]) - self._left
        return self._pixels[np.ix_(r, c)]


@final
class _Windows:
    """Runs windows, and keeps what later blocks need as far as its memory goes."""

    def __init__(
        self, plan: SlidePlan, segmenter: Segmenter, machine: Machine, batch: int, kept_bytes: int
    ) -> None:
        self._plan = plan
        self._segmenter = segmenter
        self._machine = machine
        self._batch = batch
        self._free = kept_bytes
        self._kept: dict[int, Values] = {}
        self._layout: MapLayout | None = None
        self._uses = _uses(plan)

    def image(self, block: Block) -> _Image:
        """The pixels of all windows of a block."""
        height, width = self._plan.size
        numbers = [n for n in self._plan.layout(block)[1] if n in self._plan.live]
        wanted = [self._plan.windows[number] for number in numbers]
        top = max(0, min((window.rows.start for window in wanted), default=0))
        left = max(0, min((window.cols.start for window in wanted), default=0))
        bottom = min(height, max((window.rows.stop for window in wanted), default=0))
        right = min(width, max((window.cols.stop for window in wanted), default=0))
        pixels = self._plan.view.read(left, top, right - left, bottom - top)
        if self._segmenter.channels == 1:
            pixels = as_grey(pixels, "the slide")
        return _Image(pixels, top, left, self._plan.size)

    def maps(self, block: Block, image: _Image) -> Maps:
        """The blended maps of a block's region."""
        layout, numbers = self._plan.layout(block)
        live = [n for n in numbers if n in self._plan.live]
        places = {number: place for place, number in enumerate(numbers)}
        begun: tuple[Stitcher, Values, Values] | None = None
        for number, values in self._outputs(live, image):
            low, high = values.min(axis=(1, 2)), values.max(axis=(1, 2))
            if begun is None:
                begun = Stitcher(layout, len(values), self._segmenter.blend), low, high
            begun[0].add(places[number], values)
            np.minimum(begun[1], low, out=begun[1])
            np.maximum(begun[2], high, out=begun[2])
        if begun is None or self._layout is None:
            raise ContractError("a block with tissue has no window", found=f"block {block.number}")
        stitcher, background, high = begun
        if self._layout.activation == "softmax":
            background[0] = high[0]
        blank = np.broadcast_to(
            background[:, None, None], (len(background), layout.output, layout.output)
        )
        for number in sorted(places.keys() - set(live)):
            stitcher.add(places[number], blank)
        return self._layout.split(stitcher.result())

    def _outputs(self, live: list[int], image: _Image) -> Iterator[tuple[int, Values]]:
        """The output of each window, in the order of their numbers."""
        new = [number for number in live if number not in self._kept]
        cuts = (image.cut(w.rows, w.cols) for w in map(self._plan.windows.__getitem__, new))
        side = self._plan.windows.output
        fresh = window_maps(self._segmenter, cuts, self._machine, self._batch, side, LOWER)
        for number in live:
            self._uses[number] -= 1
            if number in self._kept:
                values = self._kept[number]
            else:
                found, values = next(fresh)
                self._layout = self._layout or found
                if found != self._layout:
                    raise ContractError(
                        "segment broke its promise",
                        expected="the same maps of every window",
                        found=f"{found} after {self._layout}",
                        hint="report this to the author of the method",
                    )
            self._keep(number, values)
            yield number, values

    def _keep(self, number: int, values: Values) -> None:
        """Keeps an output while a later block wants it and there is room."""
        if number in self._kept:
            if not self._uses[number]:
                self._free += self._kept.pop(number).nbytes
        elif self._uses[number] and values.nbytes <= self._free:
            self._kept[number] = values.copy()
            self._free -= values.nbytes


def _uses(plan: SlidePlan) -> dict[int, int]:
    """How many blocks want each window that runs."""
    uses = dict.fromkeys(plan.live, 0)
    for block in plan.blocks:
        for number in plan.layout(block)[1]:
            if number in uses:
                uses[number] += 1
    return uses
