"""`histokit translate`: images and slides in, the same in another stain out."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from histokit.errors import (
    ConfigError,
    ContractError,
    DataError,
    DeviceError,
    HistokitError,
    UsageError,
)
from histokit.interfaces import Translator
from histokit.io.files import DiskError, atomic, require_folder, write_json
from histokit.io.images import read_image
from histokit.io.pictures import SUFFIX, PictureFormat, write_picture
from histokit.io.pyramid import SUFFIX as SLIDE_SUFFIX
from histokit.io.pyramid import Compression
from histokit.registry.methods import find_method
from histokit.registry.refs import RUN_FILE, WEIGHTS, parse_ref
from histokit.run.events import Event, ItemDone, ItemFailed, Noted, Translated
from histokit.run.folder_work import scale_factor, slides_of, tell_failures, write_failures
from histokit.run.infer import Windows
from histokit.run.items import Item, find_items, output_path
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained
from histokit.run.norms import InstanceNorms
from histokit.run.provenance import environment
from histokit.run.slide.sized import drawn_at
from histokit.run.slide.translate import translate_slide
from histokit.run.slide.work import SlideOptions, TranslationWork
from histokit.run.translate_image import Norm
from histokit.run.translators import WINDOWS, load_with, shared_norms, translator_of
from histokit.run.whole import translate_whole

FADE = 32
"""Pixels around the tissue of a slide over which its translation fades into white."""


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """What `translate` is asked to do.

    Attributes:
        ref: method, ``method:preset``, run folder or weights file.
        inputs: images, slides, folders, patterns and CSV tables of paths.
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


@dataclass(frozen=True, slots=True)
class _Row:
    image: Path
    output: Path
    windows: int
    seam: float | None
    seconds: float


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
            expected="images, folders, patterns or a CSV table of paths",
            hint=f"histokit translate {ref} FOLDER -o OUT",
        )
    return ref, run, [Path(word).expanduser() for word in inputs]


def translate(options: TranslateOptions) -> Iterator[Event]:
    """Translates every input; yields an event an image, lines about slides, and ends with
    `Translated`.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    """
    items = find_items(options.inputs, options.out, [SUFFIX[options.format], SLIDE_SUFFIX])
    slides = slides_of([item.path for item in items], preview=options.slides.preview)
    require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = load_with(
        options.ref, machine, options.runs, run=options.run, settings=options.settings
    )
    translator = translator_of(trained)
    yield Noted(trained.note)
    factor, note = scale_factor(
        options.mpp, trained.card.get("mpp"), ", and their translations back"
    )
    if note and len(slides) < len(items):
        yield Noted(note)
    norms = shared_norms(trained, options.norm)
    origin = _origin(options, trained)
    work = _slide_work(translator, options, machine, trained, norms, origin)
    rows: list[_Row] = []
    failures: list[dict[str, str]] = []
    for number, item in enumerate(items, 1):
        began = time.perf_counter()
        try:
            if item.path in slides:
                row = yield from _slide(item, options.out, work)
            else:
                row = _one(translator, item, factor, options, machine, norms, origin)
        except (DeviceError, ConfigError, ContractError, DiskError):
            raise
        except HistokitError as error:
            if options.strict:
                raise
            failures.append({"image": str(item.path), "reason": str(error)})
            yield ItemFailed(str(item.name), number, len(items), str(error))
            continue
        rows.append(row)
        seconds = time.perf_counter() - began
        shown = {} if row.seam is None else {"seam": row.seam}
        yield ItemDone(str(item.name), number, len(items), seconds, shown)
    _write_tables(options.out, rows, failures, {**environment(machine), **origin})
    seams = [row.seam for row in rows if row.seam is not None]
    mean = sum(seams) / len(seams) if seams else None
    yield Translated(options.out, len(rows), len(failures), mean, max(seams, default=None))
    tell_failures(len(failures), len(items), options.out)


def _origin(options: TranslateOptions, trained: Trained) -> dict[str, Any]:
    """What every output says of where it comes from."""
    card = {key: trained.card.get(key) for key in ("run", "digest", "mpp", "data")}
    return {
        "weights": {"method": trained.spec.name, "ref": options.ref, **card},
        "settings": dict(options.settings),
        "windows": str(options.windows),
        "norm": options.norm,
    }


def _one(
    translator: Translator,
    item: Item,
    factor: float,
    options: TranslateOptions,
    machine: Machine,
    norms: InstanceNorms | None,
    origin: Mapping[str, Any],
) -> _Row:
    began = time.perf_counter()
    try:
        image = read_image(item.path)
        done = translate_whole(translator, image, factor, machine, options.windows, norms)
    except DataError as error:
        raise _naming(error, item.path) from error
    path = output_path(options.out, item, SUFFIX[options.format])
    seam = done.seam if done.seam is not None and math.isfinite(done.seam) else None
    about = {"histokit": origin, "source": str(item.path), "seam": seam, "scale": factor}
    write_picture(path, done.image, options.format, mpp=options.mpp, provenance=about)
    seconds = round(time.perf_counter() - began, 3)
    return _Row(item.path, path, done.windows, done.seam, seconds)


def _slide_work(
    translator: Translator,
    options: TranslateOptions,
    machine: Machine,
    trained: Trained,
    norms: InstanceNorms | None,
    origin: Mapping[str, Any],
) -> TranslationWork:
    return TranslationWork(
        translator=translator,
        machine=machine,
        norms=norms,
        expected=trained.card.get("mpp"),
        mpp=options.mpp,
        windows=options.windows,
        compression=options.compression,
        options=options.slides,
        about={"histokit": origin},
    )


def _slide(item: Item, out: Path, work: TranslationWork) -> Generator[Event, None, _Row]:
    began = time.perf_counter()
    shown = drawn_at(out, str(item.name))
    target = output_path(out, item, SLIDE_SUFFIX)
    try:
        done = yield from translate_slide(item.path, target, work, shown)
    except DataError as error:
        raise _naming(error, item.path) from error
    seconds = round(time.perf_counter() - began, 3)
    return _Row(item.path, done.output, done.windows, done.seam, seconds)


def _naming(error: DataError, path: Path) -> DataError:
    """The error with the path in it; one of the disk stays as it is."""
    if str(path) in str(error) or isinstance(error, DiskError):
        return error
    what = f"{path}: {error.what}"
    return DataError(what, expected=error.expected, found=error.found, hint=error.hint)


def _write_tables(
    out: Path,
    rows: Sequence[_Row],
    failures: Sequence[Mapping[str, str]],
    provenance: Mapping[str, Any],
) -> None:
    with (
        atomic(out / "summary.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle)
        writer.writerow(["image", "output", "windows", "seam", "seconds"])
        for row in rows:
            seam = "" if row.seam is None else f"{row.seam:.4g}"
            writer.writerow([row.image, row.output, row.windows, seam, row.seconds])
    write_json(out / "provenance.json", dict(provenance))
    write_failures(out, failures)
