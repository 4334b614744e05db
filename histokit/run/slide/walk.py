"""A segmenter on a whole slide: tissue, blocks, owners, and results written as they come."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from histokit.errors import DataError
from histokit.io.slides import View
from histokit.io.slides_open import open_slide
from histokit.postprocess.pieces import keep_confident
from histokit.postprocess.tissue import Tissue
from histokit.run.events import Event, Noted
from histokit.run.infer import decode, window_maps
from histokit.run.slide.blocks import LOWER
from histokit.run.slide.maps import block_maps
from histokit.run.slide.mask import tissue_of
from histokit.run.slide.memory import SMALLEST_CORE, affordable_core, kept_bytes
from histokit.run.slide.owner import Owner
from histokit.run.slide.pictures import preview
from histokit.run.slide.plan import SlidePlan, in_words, make_plan
from histokit.run.slide.progress import Progress
from histokit.run.slide.sized import Sides, drawn_at, sized, slide_mpp
from histokit.run.slide.work import SlideWork
from histokit.run.slide.writers import FORMATS, writers

DECODING = 200
"""Bytes a pixel that decoding and outlining a block take at most, as measured."""


def predict_slide(path: Path, work: SlideWork) -> Generator[Event, None, int]:
    """Segments a slide; yields lines about it and gives the number of its objects.

    Raises DataError where it cannot be read, has no tissue or no known pixel size.
    """
    with open_slide(path) as slide:
        mpp = slide_mpp(slide, work.mpp)
        view, note = sized(slide, mpp, work.card.get("mpp"))
        yield Noted(f"{path.name}: {note}")
        tissue = tissue_of(slide, work.options.mask)
        plan = _plan(view, tissue, work)
        yield Noted(f"{path.name}: {in_words(plan, tissue)}")
        if work.options.preview:
            target = drawn_at(work.out, path.stem)
            preview(target, plan)
            yield Noted(f"{path.name}: {target} shows it")
            return 0
        if not set(work.formats) & set(FORMATS):
            raise DataError(
                f"nothing to write of the slide {path}",
                expected="some of " + ", ".join(FORMATS),
                found=", ".join(work.formats),
                hint="maps and label images of a whole slide are not written: --formats geojson",
            )
        return (yield from _run(plan, mpp, work))


def _plan(view: View, tissue: Tissue, work: SlideWork) -> SlidePlan:
    options, sizes = work.options, work.segmenter.sizes
    core = options.core or SMALLEST_CORE
    plan = make_plan(view, sizes, work.windows, tissue, core=core, margin=options.margin)
    if options.core is not None:
        return plan
    pixel = 8 * _channels(plan, work) + DECODING  # one block is decoded while the next runs
    side = affordable_core(options.max_memory, work.windows, pixel, sizes, plan.margin)
    return replace(plan, core=side)


def _channels(plan: SlidePlan, work: SlideWork) -> int:
    """Channels of the maps, from a first batch of empty windows; it also takes the memory that
    a batch takes.
    """
    side = plan.windows.side
    blank = np.full((side, side, work.segmenter.channels), 255, np.uint8)
    some = [blank] * min(work.windows.batch, len(plan.live))
    maps = window_maps(
        work.segmenter, some, work.machine, work.windows.batch, plan.windows.output, LOWER
    )
    return next(maps)[0].channels


def _run(plan: SlidePlan, mpp: Sides | None, work: SlideWork) -> Generator[Event, None, int]:
    owner, done, total = Owner(plan), Progress(plan), 0
    kept = kept_bytes(work.options.max_memory)
    blocks = block_maps(plan, work.segmenter, work.machine, work.windows, kept)
    with ExitStack() as open_files:
        written = [open_files.enter_context(writer) for writer in writers(plan, mpp, work)]
        open_files.callback(blocks.close)
        for block, maps in blocks:
            found = keep_confident(decode(work.segmenter, maps), work.min_confidence)
            mine = owner.take(block, found)
            for write in written:
                write(block, mine, total)
            total += int(mine.ids.max(initial=0))
            done.add(block)
            if line := done.line(f"{total} objects, "):
                yield Noted(line)
        done.require_all()
    if owner.cut:
        cut = f"{owner.cut} objects reach farther than {plan.margin} pixels and may be cut"
        yield Noted(f"{plan.view.slide.path.name}: {cut}", warning=True)
    return total
