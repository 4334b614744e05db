"""What a network says of a slide, block by block, as if the whole of it had gone through it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from histokit.data.colour import as_grey
from histokit.errors import ContractError
from histokit.io.slides import View
from histokit.run.slide.ahead import ahead
from histokit.run.slide.plan import Block, SlidePlan
from histokit.run.slide.turns import turns
from histokit.tiling.grid import Window, mirrored
from histokit.tiling.stitch import Blend, Stitcher

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
LOWER = "lower --max-memory, --window or --batch, or use --device cpu"
"""What can be told when memory runs out on a slide."""


@dataclass(frozen=True, slots=True)
class Network:
    """What runs on the windows of a slide.

    Attributes:
        run: gives the output of each window [h w channels], float32 [K side side], in their order.
        batch: windows that go through at once.
        channels: of the windows.
        outputs: channels K of the outputs.
        blend: how the outputs of windows overlap.
        blank: the values [K] of a window that does not run, as there is no tissue near; made of
            the lowest and the highest values in the block.
    """

    run: Callable[[Iterable[Pixels]], Iterator[Values]]
    batch: int
    channels: int
    outputs: int
    blend: Blend
    blank: Callable[[Values, Values], Values]


def block_outputs(
    plan: SlidePlan, network: Network, kept_bytes: int, blocks: Sequence[Block]
) -> Generator[tuple[Block, Values], None, None]:
    """Each of some blocks with the blended outputs of its region, float32 [K h w].

    Windows, weights and blending are those of the whole view, and the outputs are the same bit
    for bit whichever other blocks are asked for. The next block is read, and its windows run,
    while one is in use.

    Args:
        plan: of the slide.
        network: what runs.
        kept_bytes: memory for outputs that a later block needs too.
        blocks: those of the plan that are wanted, in its order.

    Raises what `network` raises.
    """
    work = _Windows(plan, network, kept_bytes)
    read = ahead((block, work.image(block)) for block in blocks)
    try:
        yield from ahead((image[0], work.outputs(*image)) for image in read)
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

    def __init__(self, pixels: Pixels, top: int, left: int, size: tuple[int, int]) -> None:
        self._pixels = pixels
        self._top, self._left = top, left
        self._size = size

    def cut(self, window: Window) -> Pixels:
        """The pixels of a window, mirrored at the borders of the slide."""
        r = mirrored(window.rows, self._size[0]) - self._top
        c = mirrored(window.cols, self._size[1]) - self._left
        return self._pixels[np.ix_(r, c)]


def read_windows(view: View, windows: Iterable[Window], channels: int) -> _Image:
    """The part of a view that some windows are cut from. Raises DataError where it has colours and
    one channel is wanted.
    """
    wanted = list(windows)
    top, bottom = _reach((window.rows for window in wanted), view.height)
    left, right = _reach((window.cols for window in wanted), view.width)
    pixels = view.read(left, top, right - left, bottom - top)
    if channels == 1:
        pixels = as_grey(pixels, "the slide")
    return _Image(pixels, top, left, (view.height, view.width))


def _reach(spans: Iterable[range], size: int) -> tuple[int, int]:
    """The first and the last but one of the rows or columns that stand for some wanted ones."""
    ends = [(int(line.min()), int(line.max()) + 1) for line in (mirrored(s, size) for s in spans)]
    return min((start for start, _ in ends), default=0), max((end for _, end in ends), default=0)


@final
class _Windows:
    """Runs windows in their turns, and keeps what later blocks need as far as its memory goes."""

    def __init__(self, plan: SlidePlan, network: Network, kept_bytes: int) -> None:
        self._plan = plan
        self._network = network
        self._turns = turns(plan, kept_bytes // (4 * network.outputs * plan.windows.output**2))
        self._kept: dict[int, Values] = {}

    def image(self, block: Block) -> _Image:
        """The pixels of all windows of a block."""
        return self._read(n for n in self._plan.layout(block)[1] if n in self._plan.live)

    def outputs(self, block: Block, image: _Image) -> Values:
        """The blended outputs of a block's region."""
        layout, numbers = self._plan.layout(block)
        live = [n for n in numbers if n in self._plan.live]
        places = {number: place for place, number in enumerate(numbers)}
        begun: tuple[Stitcher, Values, Values] | None = None
        for number, values in self._each(block, live, image):
            low, high = values.min(axis=(1, 2)), values.max(axis=(1, 2))
            if begun is None:
                begun = Stitcher(layout, len(values), self._network.blend), low, high
            begun[0].add(places[number], values)
            np.minimum(begun[1], low, out=begun[1])
            np.maximum(begun[2], high, out=begun[2])
        if begun is None:
            raise ContractError("a block with tissue has no window", found=f"block {block.number}")
        stitcher, low, high = begun
        blank = self._network.blank(low, high)[:, None, None]
        filled: NDArray[Any] = np.broadcast_to(blank, (len(blank), layout.output, layout.output))
        for number in sorted(places.keys() - set(live)):
            stitcher.add(places[number], filled)
        return stitcher.result()

    def _each(self, block: Block, live: list[int], image: _Image) -> Iterator[tuple[int, Values]]:
        """The output of each window, in the order of their numbers."""
        last = self._turns.last
        self._kept = {n: kept for n, kept in self._kept.items() if last[n] >= block.number}
        new = self._turns.fresh[block.number]
        fresh = self._run(new, image)
        for number in live:
            if number in new:
                _, values = next(fresh)
                self._keep(number, values, block.number, block.number)
            else:
                values = self._stayed(number, block.number)
            yield number, values

    def _stayed(self, number: int, block: int) -> Values:
        """The output of a window that ran for an earlier block."""
        if number not in self._kept:
            self._run_again(number, block)
        return self._kept.pop(number) if self._turns.last[number] == block else self._kept[number]

    def _run_again(self, number: int, block: int) -> None:
        """Runs the batch of a window that ran in another process, or before a stop, and keeps what
        stayed of it for a block and later ones.
        """
        batch = self._turns.together(number, self._network.batch)
        for each, values in self._run(batch, self._read(batch)):
            self._keep(each, values, self._turns.home[number], block)

    def _run(self, numbers: Sequence[int], image: _Image) -> Iterator[tuple[int, Values]]:
        cuts = (image.cut(self._plan.windows[number]) for number in numbers)
        return zip(numbers, self._network.run(cuts), strict=True)

    def _read(self, numbers: Iterable[int]) -> _Image:
        windows = (self._plan.windows[number] for number in numbers)
        return read_windows(self._plan.view, windows, self._network.channels)

    def _keep(self, number: int, values: Values, home: int, block: int) -> None:
        if self._turns.stays(number, home, block):
            self._kept[number] = values.copy()
