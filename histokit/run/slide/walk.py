"""A segmenter on a whole slide: tissue, blocks, owners, and results written as they come."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.events import Event, Noted
from histokit.run.slide.cluster import clustered
from histokit.run.slide.engine import Engine, map_channels, segmenting
from histokit.run.slide.kept import OBJECTS, Kept, found_before, kept_for
from histokit.run.slide.key import slide_key
from histokit.run.slide.mask import tissue_of
from histokit.run.slide.memory import SMALLEST_CORE, affordable_core
from histokit.run.slide.owner import Owner
from histokit.run.slide.pictures import preview
from histokit.run.slide.plan import SlidePlan, in_words, make_plan
from histokit.run.slide.progress import Busy, Progress
from histokit.run.slide.sized import Sides, drawn_at, sized, slide_mpp
from histokit.run.slide.task import segmenting_elsewhere
from histokit.run.slide.work import SlideWork
from histokit.run.slide.writers import FORMATS, writers

DECODING = 200
"""Bytes a pixel that decoding and outlining a block take at most, as measured."""


def predict_slide(path: Path, work: SlideWork) -> Generator[Event, None, int]:
    """Segments a slide; yields lines about it and gives the number of its objects.

    What was found in each block waits on disk, hidden in the output folder, until the results are
    whole: a command that goes on works out only the blocks that are missing, and writes the same
    bytes as one that never stopped.

    Raises DataError where it cannot be read, has no tissue or no known pixel size.
    """
    with open_slide(path) as slide:
        mpp = slide_mpp(slide, work.mpp)
        view, note = sized(slide, mpp, work.card.get("mpp"))
        yield Noted(f"{path.name}: {note}")
        tissue = tissue_of(slide, work.options.mask)
        core = work.options.core or SMALLEST_CORE
        plan = make_plan(
            view, work.segmenter.sizes, work.windows, tissue, core=core, margin=work.options.margin
        )
        if work.options.preview:
            return (yield from _preview(plan, tissue, work))
        _require_formats(path, work)
        key = slide_key(plan, work)
        key["min_confidence"] = work.min_confidence
        folder = kept_for(work.out / work.name_of(path))
        kept = yield from found_before(folder, key, path.name, resume=work.options.resume)
        outputs = map_channels(plan, work)
        core = work.options.core or kept.core or _core(plan, work, outputs)
        plan = replace(plan, core=core)
        yield Noted(f"{path.name}: {in_words(plan, tissue)}")
        kept.begin(core)
        busy = Busy()
        total = yield from _run(plan, mpp, work, kept, _engine(plan, work, outputs, busy))
        yield from busy.told(path.name)
        return total


def _engine(plan: SlidePlan, work: SlideWork, outputs: int, busy: Busy) -> Engine[Instances]:
    if work.options.engine == "local":
        return segmenting(plan, work, outputs, busy)
    make = partial(segmenting_elsewhere, min_confidence=work.min_confidence)
    return clustered(plan, work, outputs, make, OBJECTS)


def _preview(plan: SlidePlan, tissue: Tissue, work: SlideWork) -> Generator[Event, None, int]:
    path = plan.view.slide.path
    if work.options.core is None:
        plan = replace(plan, core=_core(plan, work, map_channels(plan, work)))
    yield Noted(f"{path.name}: {in_words(plan, tissue)}")
    target = drawn_at(work.out, work.name_of(path))
    preview(target, plan)
    yield Noted(f"{path.name}: {target} shows it")
    return 0


def _require_formats(path: Path, work: SlideWork) -> None:
    if not set(work.formats) & set(FORMATS):
        raise DataError(
            f"nothing to write of the slide {path}",
            expected="some of " + ", ".join(FORMATS),
            found=", ".join(work.formats),
            hint="maps and label images of a whole slide are not written: --formats geojson",
        )


def _core(plan: SlidePlan, work: SlideWork, outputs: int) -> int:
    """The side of a block's own area that the memory allows."""
    pixel = 8 * outputs + DECODING  # one block is decoded while the next runs
    sizes, memory = work.segmenter.sizes, work.options.max_memory
    return affordable_core(memory, work.windows, pixel, sizes, plan.margin, work.footprint)


def _run(
    plan: SlidePlan, mpp: Sides | None, work: SlideWork, kept: Kept, engine: Engine[Instances]
) -> Generator[Event, None, int]:
    owner, done, total = Owner(plan), Progress(plan, kept.stored), 0
    results = kept.results(plan.blocks, engine, OBJECTS)
    with ExitStack() as open_files:
        written = [open_files.enter_context(writer) for writer in writers(plan, mpp, work)]
        open_files.callback(results.close)
        for block, found in results:
            mine = owner.take(block, found)
            for write in written:
                write(block, mine, total)
            total += int(mine.ids.max(initial=0))
            done.add(block)
            if line := done.line(f"{total} objects, "):
                yield Noted(line)
        done.require_all()
    kept.chunks.remove()
    if owner.cut:
        cut = f"{owner.cut} objects reach farther than {plan.margin} pixels and may be cut"
        yield Noted(f"{plan.view.slide.path.name}: {cut}", warning=True)
    return total
