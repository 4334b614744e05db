"""`histokit predict`: images in, instances and maps out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from histokit.errors import UsageError
from histokit.interfaces import Instances, Segmenter
from histokit.io.files import require_folder
from histokit.io.images import read_image
from histokit.io.ngff import require_zarr
from histokit.io.tables import require_parquet
from histokit.run.cohort.claims import Claim, claimed
from histokit.run.cohort.item import Item
from histokit.run.cohort.shards import Shard
from histokit.run.cohort.state import State
from histokit.run.cohort.tables import tell_failures
from histokit.run.cohort.walk import Cohort, Done
from histokit.run.events import Event, Noted, Predicted
from histokit.run.folder_work import (
    Tables,
    begun,
    of_the_method,
    recipe_of,
    scale_factor,
    slide_options,
    slides_of,
    what_matters,
    worked,
)
from histokit.run.image_outputs import DEFAULT_FORMATS, FORMATS, ImageOutputs
from histokit.run.infer import Windows
from histokit.run.items import find_flat
from histokit.run.ledger import Line, in_words, line_of, write_ledger
from histokit.run.machine import Machine
from histokit.run.models import Trained, segmenter_of
from histokit.run.provenance import WEIGHTS, environment
from histokit.run.slide.cluster import require_ray
from histokit.run.slide.memory import Footprint
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import SlideOptions, SlideWork
from histokit.run.slide.writers import FORMATS as OF_SLIDES
from histokit.run.whole import segment_whole

COLUMNS = ("image", "objects", "seconds")
"""Of summary.csv."""


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What `predict` is asked to do.

    Attributes:
        ref: method, preset, run folder or weights file.
        inputs: images, slides, folders of both, patterns and manifests.
        out: output folder, made where it is missing.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are looked for.
        mpp: micrometres a pixel of the inputs, where known.
        formats: what is written, from `histokit.run.image_outputs.FORMATS`; of slides, from
            `histokit.run.slide.writers.FORMATS`.
        windows: how images are cut.
        slides: what is asked of slides alone.
        min_confidence: objects of a lower score are dropped.
        settings: that are read only after training, by name.
        strict: stop at the first image that fails.
        resume: leave what is finished as it is.
        shard: which of the images are worked on.
    """

    ref: str
    inputs: Sequence[Path]
    out: Path
    run: Path | None = None
    runs: Path = Path("runs")
    mpp: float | None = None
    formats: Sequence[str] = DEFAULT_FORMATS
    windows: Windows = field(default_factory=Windows)
    slides: SlideOptions = field(default_factory=SlideOptions)
    min_confidence: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    strict: bool = False
    resume: bool = False
    shard: Shard = field(default_factory=Shard)


def predict(options: PredictOptions) -> Iterator[Event]:
    """Segments every input; yields an event an image, and lines about slides.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    Raises RunBusy where another process works into the folder.
    """
    wrong = set(options.formats) - set(FORMATS)
    if wrong or not options.formats:
        raise UsageError(
            f"unknown format {', '.join(sorted(wrong))}" if wrong else "no format to write",
            expected="some of " + ", ".join(FORMATS),
        )
    if "parquet" in options.formats:
        require_parquet()
    if "ome-zarr" in options.formats:
        require_zarr()
    if options.slides.engine == "ray":
        require_ray()
    items = find_flat(options.inputs, options.out)
    slides = slides_of([item.path for item in items], preview=options.slides.preview)
    require_folder(options.out)
    with claimed(options.out, options.shard) as claim:
        yield from _predict(options, items, slides, claim)


def _predict(
    options: PredictOptions, items: Sequence[Item], slides: set[Path], claim: Claim
) -> Iterator[Event]:
    machine, trained = yield from begun(options, items, slides)
    dropped = [name for name in options.formats if name not in OF_SLIDES]
    if slides and dropped and not options.slides.preview:
        yield Noted(f"{', '.join(dropped)}: written of plain images, not of slides")
    job = _Job(options, segmenter_of(trained), machine, trained, slides)
    own = {"formats": sorted(options.formats), "min_confidence": options.min_confidence}
    cohort = Cohort(
        options.out,
        items,
        what_matters(options, machine, **job.settings, **own),
        options.shard,
        options.resume,
        options.strict,
        label=lambda item: item.path.name,
    )
    tables = Tables(COLUMNS, job.record(), partial(_write_ledger, options.out))
    tally = yield from worked(cohort, job.one, claim, tables)
    objects = sum(state.row["objects"] for state in tally.done)
    yield Predicted(options.out, len(tally.done), tally.failed, objects, tally.skipped)
    tell_failures(tally.failed, len(tally.states), options.out)


@dataclass(frozen=True)
class _Job:
    """What is done with each image."""

    options: PredictOptions
    segmenter: Segmenter
    machine: Machine
    trained: Trained
    slides: set[Path]
    footprint: Footprint = field(default_factory=Footprint)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What outputs depend on of the method."""
        return of_the_method(self.options, self.trained)

    def record(self) -> dict[str, Any]:
        """What the folder says of where all comes from."""
        card = {key: self.trained.card.get(key) for key in WEIGHTS}
        about = {"weights": card, "windows": str(self.options.windows)}
        return {**environment(self.machine), **about}

    def one(self, item: Item) -> Generator[Event, None, Done]:
        """Works on an image or slide."""
        lines: dict[str, Any] = {}
        if item.path in self.slides:
            count = yield from predict_slide(item.path, self._slide_work(item))
        else:
            found, line = self._image(item)
            count = np.unique(found.ids[found.ids > 0]).size
            lines = asdict(line) if line.scores else {}
        row = {"image": str(item.path), "objects": count}
        return Done(row, {"objects": float(count)}, lines)

    def _slide_work(self, item: Item) -> SlideWork:
        options = self.options
        return SlideWork(
            segmenter=self.segmenter,
            machine=self.machine,
            card=self.trained.card,
            out=options.out,
            name=item.key,
            mpp=item.mpp or options.mpp,
            formats=options.formats,
            windows=options.windows,
            min_confidence=options.min_confidence,
            options=slide_options(options.slides, item, resume=options.resume),
            about=_about(options, self.trained),
            settings=self.settings,
            recipe=recipe_of(options, self.trained, self.machine),
            footprint=self.footprint,
        )

    def _image(self, item: Item) -> tuple[Instances, Line]:
        options, card = self.options, self.trained.card
        mpp = item.mpp or options.mpp
        factor, _ = scale_factor(mpp, card.get("mpp"))
        image = read_image(item.path)
        whole = segment_whole(
            self.segmenter, image, factor, self.machine, options.windows, options.min_confidence
        )
        line = line_of(item.path, whole.seen, whole.maps, whole.every, whole.instances)
        names = tuple(card.get("classes", ()))
        outputs = ImageOutputs(options.out, options.formats, names, _about(options, self.trained))
        outputs.write_maps(item, whole.maps, factor)
        known_mpp = mpp or (card.get("mpp") if factor == 1.0 else None)
        outputs.write_objects(item, image, whole.instances, known_mpp)
        return whole.instances, line


def _about(options: PredictOptions, trained: Trained) -> dict[str, Any]:
    """What label images and outlines say of where they come from."""
    weights = {key: trained.card.get(key) for key in ("run", "digest", "mpp")}
    return {"method": trained.spec.name, "weights": weights, "windows": str(options.windows)}


def _write_ledger(out: Path, states: Sequence[State]) -> list[str]:
    """Writes what was kept and how far it can be trusted, and gives a line about it; nothing where
    no objects have scores.
    """
    lines = [Line(**state.more) for state in states if state.more]
    return [in_words(write_ledger(out, lines))] if lines else []
