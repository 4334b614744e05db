"""`histokit predict`: images in, instances and maps out."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from histokit.errors import (
    ConfigError,
    DataError,
    DeviceError,
    HistokitError,
    UsageError,
)
from histokit.interfaces import Instances, Segmenter
from histokit.io.files import DiskError, atomic, require_folder, write_json
from histokit.io.images import read_image
from histokit.io.slides_open import SLIDE_SUFFIXES
from histokit.io.tables import require_parquet
from histokit.run.events import Event, ItemDone, ItemFailed, Noted, Predicted
from histokit.run.folder_work import scale_factor, slides_of, tell_failures, write_failures
from histokit.run.image_outputs import DEFAULT_FORMATS, FORMATS, ImageOutputs
from histokit.run.infer import Windows
from histokit.run.ledger import Line, in_words, line_of, write_ledger
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, segmenter_of
from histokit.run.provenance import environment
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import SlideOptions, SlideWork
from histokit.run.translators import load_with
from histokit.run.whole import segment_whole

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"}


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What `predict` is asked to do.

    Attributes:
        ref: method, preset, run folder or weights file.
        inputs: images, slides, and folders of both.
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


def predict(options: PredictOptions) -> Iterator[Event]:
    """Segments every input; yields an event an image, and lines about slides.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    """
    wrong = set(options.formats) - set(FORMATS)
    if wrong or not options.formats:
        raise UsageError(
            f"unknown format {', '.join(sorted(wrong))}" if wrong else "no format to write",
            expected="some of " + ", ".join(FORMATS),
        )
    if "parquet" in options.formats:
        require_parquet()
    images = find_images(options.inputs, options.out)
    slides = slides_of(images, preview=options.slides.preview)
    require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = load_with(
        options.ref, machine, options.runs, run=options.run, settings=options.settings
    )
    segmenter = segmenter_of(trained)
    yield Noted(trained.note)
    factor, note = scale_factor(options.mpp, trained.card.get("mpp"))
    if note and len(slides) < len(images):
        yield Noted(note)
    work = _slide_work(segmenter, options, machine, trained)
    rows: list[dict[str, Any]] = []
    lines: list[Line] = []
    failures: list[dict[str, str]] = []
    for number, path in enumerate(images, 1):
        began = time.perf_counter()
        try:
            if path in slides:
                count = yield from predict_slide(path, work)
            else:
                found, line = _one(segmenter, path, factor, options, machine, trained)
                count = np.unique(found.ids[found.ids > 0]).size
                lines += [line] if line.scores else []
        except (DeviceError, ConfigError, DiskError):
            raise
        except HistokitError as error:
            if options.strict:
                raise
            failures.append({"image": str(path), "reason": str(error)})
            yield ItemFailed(path.name, number, len(images), str(error))
            continue
        seconds = time.perf_counter() - began
        rows.append({"image": str(path), "objects": count, "seconds": round(seconds, 3)})
        yield ItemDone(path.name, number, len(images), seconds, {"objects": float(count)})
    _write_summary(options, rows, failures, trained, machine)
    if lines:
        yield Noted(in_words(write_ledger(options.out, lines)))
    objects = sum(row["objects"] for row in rows)
    yield Predicted(options.out, len(rows), len(failures), objects)
    tell_failures(len(failures), len(images), options.out)


def find_images(inputs: Sequence[Path], out: Path) -> list[Path]:
    """The image files among the inputs and directly in the input folders, in natural order.

    Raises DataError where an input is missing, there is none, two images would get one output
    name, or the output folder lies inside an input folder.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            if out.resolve().is_relative_to(path.resolve()):
                raise DataError(
                    f"the output folder {out} lies inside the input folder {path}",
                    hint="choose an output folder outside it: -o FOLDER",
                )
            inside = (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES | SLIDE_SUFFIXES)
            found += sorted(p for p in inside if not p.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"there is no {path}", expected="an image or a folder of images")
    if not found:
        raise DataError(
            "no images to work on",
            expected="files ending in " + " ".join(sorted(SUFFIXES | SLIDE_SUFFIXES)),
            found=", ".join(str(path) for path in inputs),
        )
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(path.stem.lower(), path)
        if other is not path:
            raise DataError(
                "two images would be written under one name",
                found=f"{other} and {path}",
                hint="rename one, or predict them into different folders",
            )
    return found


def _about(options: PredictOptions, trained: Trained) -> dict[str, Any]:
    """What label images and outlines say of where they come from."""
    weights = {key: trained.card.get(key) for key in ("run", "digest", "mpp")}
    return {"method": trained.spec.name, "weights": weights, "windows": str(options.windows)}


def _slide_work(
    segmenter: Segmenter, options: PredictOptions, machine: Machine, trained: Trained
) -> SlideWork:
    return SlideWork(
        segmenter=segmenter,
        machine=machine,
        card=trained.card,
        out=options.out,
        mpp=options.mpp,
        formats=options.formats,
        windows=options.windows,
        min_confidence=options.min_confidence,
        options=options.slides,
        about=_about(options, trained),
    )


def _one(
    segmenter: Segmenter,
    path: Path,
    factor: float,
    options: PredictOptions,
    machine: Machine,
    trained: Trained,
) -> tuple[Instances, Line]:
    image = read_image(path)
    whole = segment_whole(
        segmenter, image, factor, machine, options.windows, options.min_confidence
    )
    line = line_of(path, whole.seen, whole.maps, whole.every, whole.instances)
    names = tuple(trained.card.get("classes", ()))
    outputs = ImageOutputs(options.out, options.formats, names, _about(options, trained))
    outputs.write_maps(path, whole.maps, factor)
    mpp = options.mpp or (trained.card.get("mpp") if factor == 1.0 else None)
    outputs.write_objects(path, image, whole.instances, mpp)
    return whole.instances, line


def _write_summary(
    options: PredictOptions,
    rows: Sequence[dict[str, Any]],
    failures: Sequence[dict[str, str]],
    trained: Trained,
    machine: Machine,
) -> None:
    with (
        atomic(options.out / "summary.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.DictWriter(handle, ["image", "objects", "seconds"])
        writer.writeheader()
        writer.writerows(rows)
    card = {key: trained.card.get(key) for key in ("method", "run", "digest", "mpp", "data")}
    provenance = {**environment(machine), "weights": card, "windows": str(options.windows)}
    write_json(options.out / "provenance.json", provenance)
    write_failures(options.out, failures)
