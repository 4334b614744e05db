"""What is asked of slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from histokit.interfaces import Segmenter, Translator
from histokit.io.pyramid import Compression
from histokit.run.infer import Windows
from histokit.run.machine import Machine
from histokit.run.norms import InstanceNorms
from histokit.run.slide.memory import Footprint


@dataclass(frozen=True, slots=True)
class SlideOptions:
    """What is asked of slides beside what is asked of images.

    Attributes:
        mask: see `histokit.run.slide.mask.tissue_of`.
        max_memory: GiB that the process may take.
        margin: in pixels of the weights. Of a segmenter, how far blocks look beyond their own
            area: half of the largest object's size, or more. Of a translator, how far around the
            tissue its translation fades into white.
        preview: only draw what would run.
        core: side of a block's own area, in pixels of the weights; None takes the largest that
            the memory allows. A translator's is a multiple of `histokit.io.pyramid.TILE`.
        resume: take the blocks that an earlier command left, where they are of the same slide,
            weights and options.
        engine: where blocks are worked out: in this process, or in those of Ray.
        ray_address: of a Ray that runs; empty to start one on this machine.
        workers: processes of Ray; 0 for one a GPU or, without any, one a machine.
    """

    mask: str = ""
    max_memory: float = 4.0
    margin: int = 128
    preview: bool = False
    core: int | None = None
    resume: bool = False
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How another process makes the method of a command again; see `load_with`.

    Attributes:
        ref, runs, settings: what is loaded.
        device, precision: see `open_machine`.
        folder: that relative paths are meant from.
    """

    ref: str
    device: str
    precision: str
    runs: Path = Path("runs")
    settings: Mapping[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True, slots=True)
class SlideWork:
    """What the slides that are segmented by one command have in common.

    Attributes:
        segmenter: in eval mode.
        machine: where it runs.
        card: what the weights say of themselves: mpp and classes matter here.
        out: output folder.
        mpp: micrometres a pixel of the slides, where the user says so.
        formats: what is written, from `histokit.run.slide.writers.FORMATS`.
        windows: how slides are cut.
        min_confidence: objects of a lower score are dropped.
        options: see there.
        about: what the results say of where they come from.
        settings: what blocks depend on that is not here, as JSON has it: weights, and settings of
            the method.
        recipe: for other processes; None where there are to be none.
        name: of the results; empty for that of the slide's file.
        footprint: of the command, for all its slides alike.
    """

    segmenter: Segmenter
    machine: Machine
    card: Mapping[str, Any]
    out: Path
    mpp: float | None
    formats: Sequence[str]
    windows: Windows
    min_confidence: float = 0.0
    options: SlideOptions = field(default_factory=SlideOptions)
    about: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    name: str = ""
    footprint: Footprint = field(default_factory=Footprint)

    def name_of(self, slide: Path) -> str:
        """What the results of a slide are called."""
        return self.name or slide.stem


@dataclass(frozen=True, slots=True)
class TranslationWork:
    """What the slides that are translated by one command have in common.

    Attributes:
        translator: in eval mode.
        machine: where it runs.
        norms: its instance norms, to share statistics within a slide; None for each window its
            own.
        expected: micrometres a pixel of the weights; None where any will do.
        mpp: those of the slides, where the user says so.
        windows: how slides are cut.
        compression: of the files written.
        options: see there.
        about: what the results say of where they come from.
        settings: what blocks depend on that is not here, as JSON has it: weights, and settings of
            the method.
        recipe: for other processes; None where there are to be none.
        footprint: of the command, for all its slides alike.
    """

    translator: Translator
    machine: Machine
    norms: InstanceNorms | None
    expected: float | None
    mpp: float | None
    windows: Windows
    compression: Compression = "jpeg"
    options: SlideOptions = field(default_factory=SlideOptions)
    about: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    footprint: Footprint = field(default_factory=Footprint)
