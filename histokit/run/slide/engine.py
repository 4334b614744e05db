"""The half of a slide's work that costs: windows, maps and objects or pixels of a block."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np

from histokit.interfaces import Instances
from histokit.postprocess.pieces import keep_confident
from histokit.run.infer import decode, window_maps
from histokit.run.norms import InstanceNorms
from histokit.run.slide.blocks import LOWER, Network, Pixels, block_outputs
from histokit.run.slide.maps import block_maps
from histokit.run.slide.memory import kept_bytes
from histokit.run.slide.plan import Block, SlidePlan
from histokit.run.slide.progress import Busy
from histokit.run.slide.work import SlideWork, TranslationWork
from histokit.run.translate_image import in_bytes, window_images

R = TypeVar("R")
Engine: TypeAlias = Callable[[Sequence[Block]], Generator[tuple[Block, R], None, None]]
"""Works out blocks of a plan and gives each with its result, in any order. A result depends on the
block alone, not on those that came before. Closing the generator ends the work."""
WHITE = 255


def segmenting(plan: SlidePlan, work: SlideWork, outputs: int, busy: Busy) -> Engine[Instances]:
    """Works out, in this process, the objects of each block's region.

    Args:
        plan: of the slide.
        work: what is asked.
        outputs: channels of the maps.
        busy: is told how long the network works.
    """
    kept = kept_bytes(work.options.max_memory)

    def engine(blocks: Sequence[Block]) -> Generator[tuple[Block, Instances], None, None]:
        made = block_maps(
            plan, work.segmenter, work.machine, work.windows, outputs, kept, blocks, busy
        )
        with closing(made):
            for block, maps in made:
                found = keep_confident(decode(work.segmenter, maps), work.min_confidence)
                yield block, _plain(found)

    return engine


def translating(
    plan: SlidePlan,
    work: TranslationWork,
    norms: InstanceNorms | None,
    outputs: int,
    busy: Busy,
) -> Engine[Pixels]:
    """Works out, in this process, the translated pixels of each block, uint8 [h w K]; K are the
    `outputs`.

    Args:
        plan: of the slide.
        work: what is asked.
        norms: with the statistics of the slide; None where windows have their own.
        outputs: channels.
        busy: is told how long the network works.
    """
    kept = kept_bytes(work.options.max_memory)
    network = _translator(plan, work, norms, outputs)
    network = replace(network, run=busy.timed(network.run))

    def engine(blocks: Sequence[Block]) -> Generator[tuple[Block, Pixels], None, None]:
        made = block_outputs(plan, network, kept, blocks)
        with ExitStack() as stack:
            if norms is not None:
                stack.enter_context(norms.held())
            stack.callback(made.close)
            for block, values in made:
                yield block, np.ascontiguousarray(in_bytes(values))

    return engine


def map_channels(plan: SlidePlan, work: SlideWork) -> int:
    """Channels of the maps, from a first batch of empty windows; it also takes the memory that
    a batch takes.
    """
    maps = window_maps(
        work.segmenter,
        _blank(plan, work.windows.batch, work.segmenter.channels),
        work.machine,
        work.windows.batch,
        plan.windows.output,
        LOWER,
    )
    return next(maps)[0].channels


def image_channels(plan: SlidePlan, work: TranslationWork) -> int:
    """Channels of translated windows, from a first batch of empty ones; see `map_channels`."""
    blank = _blank(plan, work.windows.batch, work.translator.channels)
    made = _translator(plan, work, None, 0).run(blank)
    return len(next(made))


def _blank(plan: SlidePlan, batch: int, channels: int) -> list[Pixels]:
    """A batch of empty windows."""
    side = plan.windows.side
    return [np.full((side, side, channels), WHITE, np.uint8)] * min(batch, len(plan.live))


def _translator(
    plan: SlidePlan, work: TranslationWork, norms: InstanceNorms | None, outputs: int
) -> Network:
    """The translator as what runs on windows; those without tissue are white."""
    run = partial(
        window_images,
        work.translator,
        machine=work.machine,
        batch=work.windows.batch,
        side=plan.windows.output,
        norms=norms,
        lower=LOWER,
    )
    return Network(
        run=run,
        batch=work.windows.batch,
        channels=work.translator.channels,
        outputs=outputs,
        blend="taper",
        blank=lambda low, _: np.ones_like(low),
    )


def _plain(found: Instances) -> Instances:
    """The same with Python's own numbers, which a file gives back as they are."""
    classes = {int(key): int(value) for key, value in found.classes.items()}
    scores = {int(key): float(value) for key, value in found.scores.items()}
    return Instances(found.ids, classes, scores)
