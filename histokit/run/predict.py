"""`histokit predict`: images in, instances and maps out."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.segmentation import find_boundaries

from histokit.errors import (
    ConfigError,
    DataError,
    DeviceError,
    HistokitError,
    PartialFailure,
    UsageError,
)
from histokit.interfaces import Instances, Segmenter
from histokit.io.files import atomic, require_folder, write_json
from histokit.io.geojson import write_geojson
from histokit.io.images import read_image
from histokit.io.labels import write_label_tiff
from histokit.io.probabilities import write_probabilities
from histokit.run.domains import rescale_image, resize_ids
from histokit.run.events import Event, ItemDone, ItemFailed, Noted, Predicted
from histokit.run.infer import Windows, decode, probabilities, segment_image
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, load_trained, segmenter_of
from histokit.run.provenance import environment

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npy"}
FORMATS = ("labels", "probabilities", "geojson", "overlay")


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What `predict` is asked to do.

    Attributes:
        ref: method, preset, run folder or weights file.
        inputs: image files and folders of images.
        out: output folder, made where it is missing.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are looked for.
        mpp: micrometres a pixel of the inputs, where known.
        formats: what is written, from `FORMATS`.
        windows: how images are cut.
        strict: stop at the first image that fails.
    """

    ref: str
    inputs: Sequence[Path]
    out: Path
    run: Path | None = None
    runs: Path = Path("runs")
    mpp: float | None = None
    formats: Sequence[str] = FORMATS
    windows: Windows = field(default_factory=Windows)
    device: str = "auto"
    precision: str = "auto"
    strict: bool = False


def predict(options: PredictOptions) -> Iterator[Event]:
    """Segments every input; yields an event an image.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    """
    wrong = set(options.formats) - set(FORMATS)
    if wrong or not options.formats:
        raise UsageError(
            f"unknown format {', '.join(sorted(wrong))}" if wrong else "no format to write",
            expected="some of " + ", ".join(FORMATS),
        )
    images = find_images(options.inputs, options.out)
    require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = load_trained(options.ref, machine, options.runs, run=options.run)
    segmenter = segmenter_of(trained)
    yield Noted(trained.note)
    factor, note = _factor(options.mpp, trained.card.get("mpp"))
    if note:
        yield Noted(note)
    rows: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    for number, path in enumerate(images, 1):
        began = time.perf_counter()
        try:
            found = _one(segmenter, path, factor, options, machine, trained)
        except (DeviceError, ConfigError):
            raise
        except HistokitError as error:
            if options.strict:
                raise
            failures.append({"image": str(path), "reason": str(error)})
            yield ItemFailed(path.name, number, len(images), str(error))
            continue
        seconds = time.perf_counter() - began
        count = np.unique(found.ids[found.ids > 0]).size
        rows.append({"image": str(path), "objects": count, "seconds": round(seconds, 3)})
        yield ItemDone(path.name, number, len(images), seconds, {"objects": float(count)})
    _write_summary(options, rows, failures, trained, machine)
    objects = sum(row["objects"] for row in rows)
    yield Predicted(options.out, len(rows), len(failures), objects)
    _tell_failures(len(failures), len(images), options.out / "failures.json")


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
            inside = (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            found += sorted(p for p in inside if not p.name.startswith("."))
        elif path.exists():
            found.append(path)
        else:
            raise DataError(f"there is no {path}", expected="an image or a folder of images")
    if not found:
        raise DataError(
            "no images to work on",
            expected="files ending in " + " ".join(sorted(SUFFIXES)),
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


def _tell_failures(failed: int, total: int, listed: Path) -> None:
    if failed == total:
        raise DataError(f"{failed} of {total} images failed; none is done", found=str(listed))
    if failed:
        raise PartialFailure(
            f"{failed} of {total} images failed; the others are done", found=str(listed)
        )


def _factor(mpp: float | None, expected: float | None) -> tuple[float, str]:
    """The factor that brings inputs to the pixel size of the weights, and what to say of it."""
    if expected is None:
        return 1.0, ""
    if mpp is None:
        return 1.0, f"pixel size of the images unknown, taken as {expected:.4g} µm/px (or --mpp)"
    if abs(mpp / expected - 1) <= 0.1:
        return 1.0, ""
    return mpp / expected, f"images resampled from {mpp:.4g} to {expected:.4g} µm/px"


def _one(
    segmenter: Segmenter,
    path: Path,
    factor: float,
    options: PredictOptions,
    machine: Machine,
    trained: Trained,
) -> Instances:
    image = read_image(path)
    maps = segment_image(segmenter, rescale_image(image, factor), machine, options.windows)
    found = decode(segmenter, maps)
    if factor != 1.0:
        ids = resize_ids(found.ids, (image.shape[0], image.shape[1]))
        found = Instances(ids, found.classes, found.scores)
    mpp = options.mpp or (trained.card.get("mpp") if factor == 1.0 else None)
    name, out = path.stem, options.out
    if "labels" in options.formats:
        write_label_tiff(out / "labels" / f"{name}.tif", found.ids, mpp=mpp)
    if "probabilities" in options.formats:
        attributes: dict[str, str | float] = {"image": path.name, "activation": maps.activation}
        attributes["scale"] = factor
        write_probabilities(
            out / "probabilities" / f"{name}.h5", probabilities(maps), attributes=attributes
        )
    if "geojson" in options.formats:
        names = tuple(trained.card.get("classes", ()))
        write_geojson(out / "geojson" / f"{name}.geojson", found, mpp=mpp, class_names=names)
    if "overlay" in options.formats:
        _write_png(out / "overlay" / f"{name}.png", outlined(image, found.ids))
    return found


def outlined(image: NDArray[np.uint8], ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The image with a yellow line of one pixel along the inside of each object's edge."""
    drawn = image.copy()
    drawn[find_boundaries(ids, mode="inner")] = (255, 224, 0)
    return drawn


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    with atomic(path) as temporary:
        Image.fromarray(image).save(temporary, format="png")


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
    failed = options.out / "failures.json"
    if failures:
        write_json(failed, list(failures))
    else:
        failed.unlink(missing_ok=True)
