"""A slide and a method as another process needs them to work out blocks."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.slides import View
from histokit.io.slides_open import open_slide
from histokit.postprocess.tissue import Tissue
from histokit.run.infer import Windows
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, segmenter_of
from histokit.run.slide.blocks import LOWER, Pixels
from histokit.run.slide.engine import Engine, segmenting, translating
from histokit.run.slide.plan import SlidePlan
from histokit.run.slide.progress import Busy
from histokit.run.slide.work import Recipe, SlideOptions, SlideWork, TranslationWork
from histokit.run.translate_image import measure
from histokit.run.translators import load_with, shared_norms, translator_of
from histokit.tiling.grid import Grid


@dataclass(frozen=True, slots=True)
class Task:
    """A planned slide, without anything that is open.

    Attributes:
        path: of the slide.
        level, size: of the view that its plan is of; the size is rows and columns.
        grid, tissue, core, margin: see `SlidePlan`.
        windows, options: what was asked.
        outputs: channels of what the network gives.
    """

    path: Path
    level: int
    size: tuple[int, int]
    grid: Grid
    tissue: Tissue
    core: int
    margin: int
    windows: Windows
    options: SlideOptions
    outputs: int

    @classmethod
    def of(cls, plan: SlidePlan, windows: Windows, options: SlideOptions, outputs: int) -> Self:
        """The task of a plan."""
        return cls(
            path=plan.view.slide.path.resolve(),
            level=plan.view.level,
            size=plan.size,
            grid=plan.windows,
            tissue=plan.tissue,
            core=plan.core,
            margin=plan.margin,
            windows=windows,
            options=options,
            outputs=outputs,
        )

    def plan(self) -> SlidePlan:
        """The same plan of the same slide, opened anew and left open."""
        view = View(open_slide(self.path), self.level, self.size[1], self.size[0])
        return SlidePlan(view, self.grid, self.tissue, self.core, self.margin)


def segmenting_elsewhere(recipe: Recipe, task: Task, min_confidence: float) -> Engine[Instances]:
    """What `segmenting` gives, in a process that has nothing yet."""
    machine, trained = _loaded(recipe)
    work = SlideWork(
        segmenter=segmenter_of(trained),
        machine=machine,
        card=trained.card,
        out=Path(),
        mpp=None,
        formats=(),
        windows=task.windows,
        min_confidence=min_confidence,
        options=task.options,
    )
    return segmenting(task.plan(), work, task.outputs, Busy())


def translating_elsewhere(recipe: Recipe, task: Task, patches: Pixels | None) -> Engine[Pixels]:
    """What `translating` gives, in a process that has nothing yet; on the `patches` the statistics
    of instance norms are measured, and without them each window has its own.
    """
    machine, trained = _loaded(recipe)
    translator = translator_of(trained)
    norms = None if patches is None else shared_norms(trained, "image")
    if patches is not None and norms is not None:
        measure(translator, patches, machine, norms, LOWER)
    work = TranslationWork(
        translator=translator,
        machine=machine,
        norms=norms,
        expected=None,
        mpp=None,
        windows=task.windows,
        options=task.options,
    )
    return translating(task.plan(), work, norms, task.outputs, Busy())


def _loaded(recipe: Recipe) -> tuple[Machine, Trained]:
    _enter(recipe.folder)
    machine = open_machine(recipe.device, recipe.precision)
    trained = load_with(recipe.ref, machine, recipe.runs, settings=recipe.settings)
    return machine, trained


def _enter(folder: Path) -> None:
    """Goes where relative paths are meant from."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise DataError(
            f"{platform.node()} has no folder {folder}",
            expected="the folder that the command was typed in",
            found=error.strerror or str(error),
            hint="all machines of the Ray must see slides and weights at the same paths; or use "
            "--engine local",
        ) from error
