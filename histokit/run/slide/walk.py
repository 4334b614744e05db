"""A segmenter on a whole slide: tissue, blocks, owners, and results written as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from histokit.errors import ContractError, DataError
from histokit.io.slides import Slide, View
from histokit.io.slides_open import open_slide
from histokit.postprocess.pieces import keep_confident
from histokit.postprocess.tissue import Tissue
from histokit.run.domains import SAME_MPP
from histokit.run.events import Event, Noted
from histokit.run.infer import decode, window_maps
from histokit.run.slide.maps import LOWER, block_maps
from histokit.run.slide.mask import tissue_of
from histokit.run.slide.owner import Owner
from histokit.run.slide.pictures import preview
from histokit.run.slide.plan import GIB, SlidePlan, core_side, make_plan
from histokit.run.slide.work import SlideWork
from histokit.run.slide.writers import FORMATS, writers

KEPT = 0.25
"""Part of the memory that outputs of windows may take which a later block needs too."""
TELL = 20.0
"""Seconds between two lines about how far a slide is."""


def predict_slide(path: Path, work: SlideWork) -> Generator[Event, None, int]:
    """Segments a slide; yields lines about it and gives the number of its objects.

    Raises DataError where it cannot be read, has no tissue or no known pixel size.
    """
    with open_slide(path) as slide:
        mpp = _slide_mpp(slide, work.mpp)
        view, note = _view(slide, mpp, work.card.get("mpp"))
        yield Noted(f"{path.name}: {note}")
        tissue = tissue_of(slide, work.options.mask)
        plan = _plan(view, tissue, work)
        yield Noted(f"{path.name}: {_in_words(plan)}")
        if work.options.preview:
            target = work.out / "preview" / f"{path.stem}.png"
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


def _slide_mpp(slide: Slide, given: float | None) -> tuple[float, float] | None:
    return slide.mpp if given is None else (given, given)


def _view(
    slide: Slide, mpp: tuple[float, float] | None, expected: float | None
) -> tuple[View, str]:
    """The slide at the pixel size of the weights, and a line about it."""
    if expected is None:
        known = "unknown" if mpp is None else f"{mpp[0]:.4g} µm/px"
        return slide.view(1.0), f"read at its full size ({known}); the method names no pixel size"
    if mpp is None:
        power = f"{slide.power:g}x and nothing else" if slide.power else "nothing"
        raise DataError(
            f"the pixel size of {slide.path} is unknown",
            expected=f"micrometres a pixel, to bring it to the {expected:.4g} of the weights",
            found=f"a slide that says {power}",
            hint="give it with --mpp; 40x is mostly near 0.25, 20x near 0.5",
        )
    view = slide.view((expected / mpp[0], expected / mpp[1]), SAME_MPP)
    of = f"level {view.level}"
    how = f"resampled from {of}" if view.resampled else f"{of} as it is"
    return view, f"weights {expected:.4g} µm/px, slide {mpp[0]:.4g}: {how}"


def _plan(view: View, tissue: Tissue, work: SlideWork) -> SlidePlan:
    core, sizes = work.options.core, work.segmenter.sizes
    plan = make_plan(
        view,
        sizes,
        work.windows,
        tissue,
        core=core or 1024,
        margin=work.options.margin,
    )
    if core is not None:
        return plan
    channels = _channels(plan, work)
    used = round(peak_memory() + KEPT * work.options.max_memory * GIB)
    limit = work.options.max_memory * GIB
    side = core_side(limit, used, work.windows, channels, sizes, plan.margin)
    return SlidePlan(view, plan.windows, tissue, side, plan.margin)


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


def peak_memory() -> int:
    """The most bytes that this process has taken so far; a guess on Windows, which has no word
    for it in the standard library.
    """
    if sys.platform == "win32":
        return GIB
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _in_words(plan: SlidePlan) -> str:
    share = plan.tissue.share
    return (
        f"{plan.view.width} x {plan.view.height} pixels, {share:.1%} tissue, "
        f"{len(plan.live)} of {len(plan.windows)} windows in {len(plan.blocks)} blocks"
    )


def _run(
    plan: SlidePlan, mpp: tuple[float, float] | None, work: SlideWork
) -> Generator[Event, None, int]:
    name = plan.view.slide.path.name
    owner, total = Owner(plan), 0
    covered = Tissue(np.zeros_like(plan.tissue.mask))
    began = told = time.perf_counter()
    kept = round(KEPT * work.options.max_memory * GIB)
    blocks = block_maps(plan, work.segmenter, work.machine, work.windows, kept)
    with ExitStack() as open_files:
        written = [open_files.enter_context(writer) for writer in writers(plan, mpp, work)]
        open_files.callback(blocks.close)
        for number, (block, maps) in enumerate(blocks, 1):
            found = keep_confident(decode(work.segmenter, maps), work.min_confidence)
            mine = owner.take(block, found)
            for write in written:
                write(block, mine, total)
            total += int(mine.ids.max(initial=0))
            covered.within(*block.core, plan.size)[...] = True
            now = time.perf_counter()
            if now - told > TELL:
                told = now
                yield Noted(f"{name}: {_progress(number, plan, total, now - began)}")
        _require_covered(covered, plan)
    if owner.cut:
        text = f"{name}: {owner.cut} objects reach farther than {plan.margin} pixels and may be cut"
        yield Noted(text, warning=True)
    return total


def _progress(done: int, plan: SlidePlan, objects: int, seconds: float) -> str:
    area = sum(block.shape[0] * block.shape[1] for block in plan.blocks[:done]) / 1e6
    left = seconds / done * (len(plan.blocks) - done)
    return (
        f"block {done} of {len(plan.blocks)}, {objects} objects, {area / seconds:.2f} Mpx/s, "
        f"{left / 60:.0f} min left"
    )


def _require_covered(covered: Tissue, plan: SlidePlan) -> None:
    """Raises ContractError where some tissue lies in no block that was done."""
    left_out = int((plan.tissue.mask & ~covered.mask).sum())
    if left_out:
        raise ContractError(
            f"some tissue of {plan.view.slide.path} was left out",
            expected="every piece of tissue in a block",
            found=f"{left_out} of {int(plan.tissue.mask.sum())} places without",
        )
