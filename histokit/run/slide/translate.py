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
from histokit.run.slide.blocks import LOWER, Network, Pixels, block_outputs, read_windows
from histokit.run.slide.fade import Fade
from histokit.run.slide.mask import tissue_of
from histokit.run.slide.memory import affordable_core, kept_bytes
from histokit.run.slide.pictures import preview
from histokit.run.slide.plan import SlidePlan, in_words, make_plan
from histokit.run.slide.progress import Progress
from histokit.run.slide.sized import Sides, sides_of, sized, slide_mpp
from histokit.run.slide.work import TranslationWork
from histokit.run.translate_image import in_bytes, in_channels, measure, window_images

PIXEL_BYTES = 128
"""What blending a pixel and turning it into a tile takes at most, as measured."""
LARGEST_CORE = 2048
"""Side of a block's own area beyond which more memory gains nothing."""
HALF = 0.5
"""Part of a patch that is tissue where statistics are measured on it."""
WHITE = 255


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
        plan, norms = _prepared(view, tissue, fade, work)
        yield Noted(f"{path.name}: {in_words(plan, tissue)}")
        if work.options.preview:
            preview(shown, plan)
            yield Noted(f"{path.name}: {shown} shows it")
            return TranslatedSlide(shown, 0, None)
        seam = yield from _run(plan, fade, mpp, target, work, norms)
        return TranslatedSlide(target, len(plan.live), seam)


def _prepared(
    view: View, tissue: Tissue, fade: Fade, work: TranslationWork
) -> tuple[SlidePlan, InstanceNorms | None]:
    """The plan of a slide, and the instance norms with its statistics; None where windows have
    their own. The memory that both take is known before the size of blocks is chosen.

    Raises DataError where the tissue is grey and should not be, or the reverse.
    """
    options, sizes, norms = work.options, work.translator.sizes, work.norms
    plan = make_plan(view, sizes, work.windows, fade.reach, core=options.core or TILE, margin=0)
    patches = _patches(plan, tissue, work)
    if norms is None or not len(norms) or len(plan.windows) == 1:
        norms = None
    else:
        measure(work.translator, patches, work.machine, norms, LOWER)
    if options.core is not None:
        return plan, norms
    _run_blank(plan, work)
    core = affordable_core(options.max_memory, work.windows, PIXEL_BYTES, sizes, 0)
    return replace(plan, core=min(core - core % TILE, LARGEST_CORE)), norms


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


def _run_blank(plan: SlidePlan, work: TranslationWork) -> None:
    """Runs a batch of empty windows, for the memory that it takes."""
    side = plan.windows.side
    blank = np.full((side, side, work.translator.channels), WHITE, np.uint8)
    for _ in _network(plan, work, None).run([blank] * min(work.windows.batch, len(plan.live))):
        pass


def _network(plan: SlidePlan, work: TranslationWork, norms: InstanceNorms | None) -> Network:
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
    return Network(run, work.translator.channels, "taper", lambda low, _: np.ones_like(low))


def _run(
    plan: SlidePlan,
    fade: Fade,
    mpp: Sides | None,
    target: Path,
    work: TranslationWork,
    norms: InstanceNorms | None,
) -> Generator[Event, None, float | None]:
    """Writes the translation and gives its seam index."""
    kept = kept_bytes(work.options.max_memory)
    blocks = block_outputs(plan, _network(plan, work, norms), kept)
    done, seams = Progress(plan), SeamTally()
    with ExitStack() as stack:
        if norms is not None:
            stack.enter_context(norms.held())
        put = stack.enter_context(
            ome_pyramid(
                target,
                plan.size,
                mpp=sides_of(plan.view, mpp),
                compression=work.compression,
                provenance={**work.about, "source": plan.view.slide.path.name},
            )
        )
        stack.callback(blocks.close)
        for block, values in blocks:
            pixels = in_bytes(values)
            seams.add(pixels, plan.layout(block)[0])
            put(block.core[0][0], block.core[1][0], fade.on_white(pixels, *block.core))
            done.add(block)
            if line := done.line():
                yield Noted(line)
        done.require_all()
    return seams.index
