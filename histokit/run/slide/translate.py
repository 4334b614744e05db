"""A translator on a whole slide: tissue, blocks, and a pyramid written as they come."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from histokit.io.pyramid import TILE, ome_pyramid
from histokit.io.slides import View
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.events import Event, Noted
from histokit.run.norms import InstanceNorms, patch_order
from histokit.run.seams import SeamTally
from histokit.run.slide.blocks import LOWER, Pixels, read_windows
from histokit.run.slide.cluster import clustered
from histokit.run.slide.engine import Engine, image_channels, translating
from histokit.run.slide.fade import Fade
from histokit.run.slide.kept import PIXELS, Kept, found_before, kept_for
from histokit.run.slide.key import slide_key
from histokit.run.slide.mask import tissue_of
from histokit.run.slide.memory import affordable_core
from histokit.run.slide.pictures import preview
from histokit.run.slide.plan import SlidePlan, in_words, make_plan
from histokit.run.slide.progress import Busy, Progress
from histokit.run.slide.sized import Sides, sides_of, sized, slide_mpp
from histokit.run.slide.task import translating_elsewhere
from histokit.run.slide.work import TranslationWork
from histokit.run.translate_image import in_channels, measure

PIXEL_BYTES = 144
"""What blending a pixel, keeping it on disk and turning it into a tile takes at most: the first and
the last as measured, and 16 bytes for the second."""
LARGEST_CORE = 2048
"""Side of a block's own area beyond which more memory gains nothing."""
HALF = 0.5
"""Part of a patch that is tissue where statistics are measured on it."""


@dataclass(frozen=True, slots=True)
class TranslatedSlide:
    """What became of a slide.

    Attributes:
        output: the file that was written: the translation or, if asked for, the preview.
        windows: how many ran.
        seam: see `histokit.run.seams.SeamTally`.
    """

    output: Path
    windows: int
    seam: float | None


def translate_slide(
    path: Path, target: Path, work: TranslationWork, shown: Path
) -> Generator[Event, None, TranslatedSlide]:
    """Translates a slide; yields lines about it.

    The translation is a pyramidal OME-TIFF of the slide at the pixel size of the weights: a
    larger one would hold interpolated pixels only. On tissue it is what `translate_image` would
    give of the whole slide; around it that fades into white over `SlideOptions.margin` pixels,
    and what lies farther off is white, as nothing has looked at it. Statistics of instance norms
    are measured once, on patches of tissue. A translator into grey gives three equal channels.

    Translated blocks wait on disk, hidden beside the target, until it is whole: a command that
    goes on works out only those that are missing, and writes the same bytes as one that never
    stopped. Packed without loss, they take some five times the room of a JPEG translation.

    Args:
        path: of the slide.
        target: of the translation.
        work: what is asked.
        shown: where the preview goes, if one is asked for.

    Raises DataError where the slide cannot be read, has no tissue or no known pixel size, and
    what `translate_image` raises.
    """
    with open_slide(path) as slide:
        mpp = slide_mpp(slide, work.mpp)
        view, note = sized(slide, mpp, work.expected)
        yield Noted(f"{path.name}: {note}; the translation keeps this size")
        tissue = tissue_of(slide, work.options.mask)
        fade = Fade(tissue, work.options.margin, (view.height, view.width))
        plan, norms, patches = _prepared(view, tissue, fade, work)
        if work.options.preview:
            return (yield from _preview(plan, tissue, work, shown))
        key = slide_key(plan, work)
        key["instance norms"] = norms is not None
        kept = yield from found_before(kept_for(target), key, path.name, resume=work.options.resume)
        outputs = image_channels(plan, work)
        core = work.options.core or kept.core or _core(work)
        plan = replace(plan, core=core)
        yield Noted(f"{path.name}: {in_words(plan, tissue)}")
        kept.begin(core)
        busy = Busy()
        engine = _engine(plan, work, norms, outputs, patches, busy)
        seam = yield from _run(plan, fade, mpp, target, work, kept, engine)
        yield from busy.told(path.name)
        return TranslatedSlide(target, len(plan.live), seam)


def _prepared(
    view: View, tissue: Tissue, fade: Fade, work: TranslationWork
) -> tuple[SlidePlan, InstanceNorms | None, Pixels]:
    """The plan of a slide, the instance norms with its statistics (None where windows have their
    own), and the patches that these are of. The memory that they take is known before the size
    of blocks is chosen.

    Raises DataError where the tissue is grey and should not be, or the reverse.
    """
    options, sizes, norms = work.options, work.translator.sizes, work.norms
    plan = make_plan(view, sizes, work.windows, fade.reach, core=options.core or TILE, margin=0)
    patches = _patches(plan, tissue, work)
    if norms is None or not len(norms) or len(plan.windows) == 1:
        return plan, None, patches
    measure(work.translator, patches, work.machine, norms, LOWER)
    return plan, norms, patches


def _engine(
    plan: SlidePlan,
    work: TranslationWork,
    norms: InstanceNorms | None,
    outputs: int,
    patches: Pixels,
    busy: Busy,
) -> Engine[Pixels]:
    if work.options.engine == "local":
        return translating(plan, work, norms, outputs, busy)
    make = partial(translating_elsewhere, patches=None if norms is None else patches)
    return clustered(plan, work, outputs, make, PIXELS)


def _preview(
    plan: SlidePlan, tissue: Tissue, work: TranslationWork, shown: Path
) -> Generator[Event, None, TranslatedSlide]:
    name = plan.view.slide.path.name
    if work.options.core is None:
        image_channels(plan, work)
        plan = replace(plan, core=_core(work))
    yield Noted(f"{name}: {in_words(plan, tissue)}")
    preview(shown, plan)
    yield Noted(f"{name}: {shown} shows it")
    return TranslatedSlide(shown, 0, None)


def _core(work: TranslationWork) -> int:
    """The side of a block's own area that the memory allows; a batch must have run before."""
    sizes, memory = work.translator.sizes, work.options.max_memory
    core = affordable_core(memory, work.windows, PIXEL_BYTES, sizes, 0, work.footprint)
    return min(core - core % TILE, LARGEST_CORE)


def _patches(plan: SlidePlan, tissue: Tissue, work: TranslationWork) -> Pixels:
    """Patches of tissue, [n side side C], as `sample_patches` draws them from an image: those that
    are tissue for at least a half, or else those that have some.
    """
    side, sizes = plan.windows.side, work.translator.sizes
    layout, order, count = patch_order(plan.size, work.windows.batch, side, sizes)
    full: list[int] = []
    some: list[int] = []
    for number in order:
        rows, cols = ((part.start, part.stop) for part in layout[number].place)
        share = tissue.within(rows, cols, plan.size).mean()
        if share > 0:
            (full if share >= HALF else some).append(number)
        if len(full) == count:
            break
    chosen = [layout[number] for number in sorted((full or some)[:count])]
    pixels = [read_windows(plan.view, [window], 3).cut(window) for window in chosen]
    tall = in_channels(np.concatenate(pixels), work.translator.channels)
    return tall.reshape(len(chosen), layout.side, layout.side, -1)


def _run(
    plan: SlidePlan,
    fade: Fade,
    mpp: Sides | None,
    target: Path,
    work: TranslationWork,
    kept: Kept,
    engine: Engine[Pixels],
) -> Generator[Event, None, float | None]:
    """Writes the translation and gives its seam index."""
    done, seams = Progress(plan, kept.stored), SeamTally()
    with ExitStack() as stack:
        put = stack.enter_context(
            ome_pyramid(
                target,
                plan.size,
                mpp=sides_of(plan.view, mpp),
                compression=work.compression,
                provenance={**work.about, "source": plan.view.slide.path.name},
            )
        )
        results = kept.results(plan.blocks, engine, PIXELS)
        stack.callback(results.close)
        for block, pixels in results:
            seams.add(pixels, plan.layout(block)[0])
            put(block.core[0][0], block.core[1][0], fade.on_white(pixels, *block.core))
            done.add(block)
            if line := done.line():
                yield Noted(line)
        done.require_all()
    kept.chunks.remove()
    return seams.index
