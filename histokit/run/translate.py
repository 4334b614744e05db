"""`histokit translate`: images and slides in, the same in another stain out."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from histokit.errors import ContractError, DataError, UsageError
from histokit.interfaces import Translator
from histokit.io.files import DiskError, require_folder
from histokit.io.images import read_image
from histokit.io.pictures import SUFFIX, PictureFormat, write_picture
from histokit.io.pyramid import SUFFIX as SLIDE_SUFFIX
from histokit.io.pyramid import Compression
from histokit.registry.methods import find_method
from histokit.registry.refs import RUN_FILE, WEIGHTS, parse_ref
from histokit.run.cohort.claims import Claim, claimed
from histokit.run.cohort.item import Item, output_path
from histokit.run.cohort.shards import Shard
from histokit.run.cohort.tables import tell_failures
from histokit.run.cohort.walk import FATAL, Cohort, Done
from histokit.run.events import Event, Translated
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
from histokit.run.infer import Windows
from histokit.run.items import find_items
from histokit.run.machine import Machine
from histokit.run.models import Trained
from histokit.run.norms import InstanceNorms
from histokit.run.provenance import environment
from histokit.run.slide.cluster import require_ray
from histokit.run.slide.memory import Footprint
from histokit.run.slide.sized import drawn_at
from histokit.run.slide.translate import translate_slide
from histokit.run.slide.work import SlideOptions, TranslationWork
from histokit.run.translate_image import Norm
from histokit.run.translators import WINDOWS, shared_norms, translator_of
from histokit.run.whole import translate_whole

COLUMNS = ("image", "output", "windows", "seam", "seconds")
"""Of summary.csv."""
FADE = 32
"""Pixels around the tissue of a slide over which its translation fades into white."""
AFTER = ", and their translations back"
"""What is said of images that are resampled."""
Made: TypeAlias = tuple[Path, int, float | None]
"""What was written of an image, from how many windows, and its seam index."""


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """What `translate` is asked to do.

    Attributes:
        ref: method, ``method:preset``, run folder or weights file.
        inputs: images, slides, folders, patterns and manifests.
        out: output folder, made where it is missing.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are looked for.
        mpp: micrometres a pixel of the inputs, where known.
        norm: whose statistics instance norms use: the image's or each window's own.
        format: of the images written; slides are OME-TIFF.
        compression: of slides.
        windows: how images are cut.
        slides: what is asked of slides alone.
        settings: of a method that needs no training, by name; such as a reference image.
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
    norm: Norm = "image"
    format: PictureFormat = "png"
    compression: Compression = "jpeg"
    windows: Windows = WINDOWS
    slides: SlideOptions = field(default_factory=lambda: SlideOptions(margin=FADE))
    settings: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    strict: bool = False
    resume: bool = False
    shard: Shard = field(default_factory=Shard)


def sort_words(ref: str, words: Sequence[str]) -> tuple[str, Path | None, list[Path]]:
    """What ``METHOD [PRESET|RUN] INPUT…`` means: the reference, the run, and the inputs.

    The first word after a bare method is its preset where it has one of that name, or its weights
    where a run folder or weights file lies there; everything else is an input. Raises UsageError
    where no input is left.
    """
    parsed, inputs, run = parse_ref(ref), list(words), None
    presets: Sequence[str] = ()
    if parsed.kind == "method" and inputs:
        presets = () if parsed.preset else tuple(find_method(parsed.name).presets)
        first = Path(inputs[0]).expanduser()
        if inputs[0] in presets:
            ref = f"{ref}:{inputs.pop(0)}"
        elif (first / RUN_FILE).is_file() or (first.is_file() and first.suffix in WEIGHTS):
            run = Path(inputs.pop(0)).expanduser()
        elif presets and not first.exists() and inputs[0].isidentifier():
            raise UsageError(
                f"{inputs[0]} is neither a preset of {parsed.name} nor an image or folder",
                expected="one of its presets: " + ", ".join(presets) + "; or an input that exists",
            )
    if not inputs:
        raise UsageError(
            "nothing to translate",
            expected="images, folders, patterns or a manifest",
            hint=f"histokit translate {ref} FOLDER -o OUT",
        )
    return ref, run, [Path(word).expanduser() for word in inputs]


def translate(options: TranslateOptions) -> Iterator[Event]:
    """Translates every input; yields an event an image, lines about slides, and ends with
    `Translated`.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    Raises RunBusy where another process works into the folder.
    """
    if options.slides.engine == "ray":
        require_ray()
    items = find_items(options.inputs, options.out, [SUFFIX[options.format], SLIDE_SUFFIX])
    slides = slides_of([item.path for item in items], preview=options.slides.preview)
    require_folder(options.out)
    with claimed(options.out, options.shard) as claim:
        yield from _translate(options, items, slides, claim)


def _translate(
    options: TranslateOptions, items: Sequence[Item], slides: set[Path], claim: Claim
) -> Iterator[Event]:
    machine, trained = yield from begun(options, items, slides, AFTER)
    job = _Job(options, translator_of(trained), machine, trained, slides)
    own = {"norm": options.norm, "format": options.format, "compression": options.compression}
    settings = what_matters(options, machine, **job.settings, **own)
    fatal = (*FATAL, ContractError)
    cohort = Cohort(
        options.out, items, settings, options.shard, options.resume, options.strict, fatal
    )
    tables = Tables(COLUMNS, {**environment(machine), **job.origin})
    tally = yield from worked(cohort, job.one, claim, tables)
    seams = [state.row["seam"] for state in tally.done if state.row["seam"] is not None]
    mean = sum(seams) / len(seams) if seams else None
    done, worst = len(tally.done), max(seams, default=None)
    yield Translated(options.out, done, tally.failed, mean, worst, tally.skipped)
    tell_failures(tally.failed, len(tally.states), options.out)


@dataclass(frozen=True)
class _Job:
    """What is done with each image."""

    options: TranslateOptions
    translator: Translator
    machine: Machine
    trained: Trained
    slides: set[Path]
    footprint: Footprint = field(default_factory=Footprint)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What outputs depend on of the method."""
        return of_the_method(self.options, self.trained)

    @cached_property
    def origin(self) -> dict[str, Any]:
        """What every output says of where it comes from."""
        options = self.options
        card = {key: self.trained.card.get(key) for key in ("run", "digest", "mpp", "data")}
        return {
            "weights": {"method": self.trained.spec.name, "ref": options.ref, **card},
            "settings": dict(options.settings),
            "windows": str(options.windows),
            "norm": options.norm,
        }

    @cached_property
    def norms(self) -> InstanceNorms | None:
        """The instance norms whose statistics an image shares."""
        return shared_norms(self.trained, self.options.norm)

    def one(self, item: Item) -> Generator[Event, None, Done]:
        """Works on an image or slide. Raises DataError, with its path."""
        try:
            if item.path in self.slides:
                output, windows, seam = yield from self._slide(item)
            else:
                output, windows, seam = self._image(item)
        except DataError as error:
            raise _naming(error, item.path) from error
        seam = float(f"{seam:.4g}") if seam is not None and math.isfinite(seam) else None
        row = {"image": str(item.path), "output": str(output), "windows": windows, "seam": seam}
        return Done(row, {} if seam is None else {"seam": seam})

    def _image(self, item: Item) -> Made:
        options = self.options
        mpp = item.mpp or options.mpp
        factor, _ = scale_factor(mpp, self.trained.card.get("mpp"))
        image = read_image(item.path)
        done = translate_whole(
            self.translator, image, factor, self.machine, options.windows, self.norms
        )
        path = output_path(options.out, item, SUFFIX[options.format])
        seam = done.seam if done.seam is not None and math.isfinite(done.seam) else None
        about = {"histokit": self.origin, "source": str(item.path), "seam": seam, "scale": factor}
        write_picture(path, done.image, options.format, mpp=mpp, provenance=about)
        return path, done.windows, done.seam

    def _slide(self, item: Item) -> Generator[Event, None, Made]:
        options = self.options
        work = TranslationWork(
            translator=self.translator,
            machine=self.machine,
            norms=self.norms,
            expected=self.trained.card.get("mpp"),
            mpp=item.mpp or options.mpp,
            windows=options.windows,
            compression=options.compression,
            options=slide_options(options.slides, item, resume=options.resume),
            about={"histokit": self.origin},
            settings=self.settings,
            recipe=recipe_of(options, self.trained, self.machine),
            footprint=self.footprint,
        )
        shown = drawn_at(options.out, item.key)
        target = output_path(options.out, item, SLIDE_SUFFIX)
        done = yield from translate_slide(item.path, target, work, shown)
        return done.output, done.windows, done.seam


def _naming(error: DataError, path: Path) -> DataError:
    """The error with the path in it; one of the disk stays as it is."""
    if str(path) in str(error) or isinstance(error, DiskError):
        return error
    what = f"{path}: {error.what}"
    return DataError(what, expected=error.expected, found=error.found, hint=error.hint)
