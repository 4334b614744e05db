"""`histokit translate`: images in, images of another stain out."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from histokit.config.resolve import Layer, resolve
from histokit.errors import (
    ConfigError,
    ContractError,
    DataError,
    DeviceError,
    HistokitError,
    PartialFailure,
    UsageError,
)
from histokit.interfaces import Access, Translator
from histokit.io.files import atomic, require_folder, write_json
from histokit.io.images import read_image
from histokit.io.pictures import SUFFIX, PictureFormat, write_picture
from histokit.registry.methods import find_method, find_preset
from histokit.registry.refs import RUN_FILE, WEIGHTS, parse_ref
from histokit.run.context import RunContext
from histokit.run.domains import SAME_MPP, rescale_image
from histokit.run.events import Event, ItemDone, ItemFailed, Noted
from histokit.run.infer import Windows
from histokit.run.items import Item, find_items, output_path
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, load_trained, networks_of
from histokit.run.norms import InstanceNorms
from histokit.run.provenance import environment
from histokit.run.translate_image import Norm, Translation, translate_image

WINDOWS = Windows(1024, 128)
"""How images are cut by default: wide windows, as stain translation looks far around."""


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """What `translate` is asked to do.

    Attributes:
        ref: method, ``method:preset``, run folder or weights file.
        inputs: image files, folders, patterns and CSV tables of paths.
        out: output folder, made where it is missing.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are looked for.
        mpp: micrometres a pixel of the inputs, where known.
        norm: whose statistics instance norms use: the image's or each window's own.
        format: of the files written.
        windows: how images are cut.
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
    windows: Windows = WINDOWS
    settings: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Translated:
    """Translation is over: the output folder, the counts, and the seam index over the images that
    took several windows (mean and largest; None where there is none).
    """

    out: Path
    done: int
    failed: int
    seam: float | None
    worst_seam: float | None


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


def translate(options: TranslateOptions) -> Iterator[Event | Translated]:
    """Translates every input; yields an event an image and ends with `Translated`.

    Raises PartialFailure at the end when some images failed, DataError when all did; the others
    are written, and ``failures.json`` in the output folder names each failed one with its reason.
    """
    items = find_items(options.inputs, options.out, SUFFIX[options.format])
    require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = _load(options, machine)
    translator = translator_of(trained)
    yield Noted(trained.note)
    factor, note = _factor(options.mpp, trained.card.get("mpp"))
    if note:
        yield Noted(note)
    norms = shared_norms(trained, options.norm)
    origin = _origin(options, trained)
    rows: list[_Row] = []
    failures: list[dict[str, str]] = []
    for number, item in enumerate(items, 1):
        began = time.perf_counter()
        try:
            row = _one(translator, item, factor, options, machine, norms, origin)
        except (DeviceError, ConfigError, ContractError):
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
    _tell_failures(len(failures), len(items), options.out / "failures.json")


def translator_of(trained: Trained) -> Translator:
    """What a trained method translates with. Raises UsageError where it does not translate."""
    if isinstance(trained.method, Translator):
        return trained.method
    raise UsageError(
        f"{trained.spec.name} does not translate images",
        found="its roles: " + ", ".join(trained.spec.roles),
        hint="see `histokit methods list` for translators",
    )


def shared_norms(trained: Trained, norm: Norm) -> InstanceNorms | None:
    """The instance norms of a method whose statistics an image shares; None for ``tile``."""
    if norm == "tile":
        return None
    return InstanceNorms(networks_of(trained.method.stateful()))


def _load(options: TranslateOptions, machine: Machine) -> Trained:
    if not options.settings:
        return load_trained(options.ref, machine, options.runs, run=options.run)
    parsed = parse_ref(options.ref)
    spec = find_method(parsed.name) if parsed.kind == "method" else None
    if spec is None or spec.access is not Access.NOTHING or options.run is not None:
        raise UsageError(
            "trained weights keep the settings that they were trained with",
            found="--set " + ", ".join(options.settings),
            hint="leave --set out; it is for methods without training",
        )
    preset = find_preset(spec, parsed.preset).overrides if parsed.preset else {}
    layers = [Layer(f"preset {parsed.preset}", preset), Layer("--set", options.settings)]
    config = resolve(spec.config, layers).config
    method = spec.load().build(config, RunContext(machine, runs=options.runs))
    for network in networks_of(method.stateful()).values():
        network.eval()
    return Trained(method, spec, {}, None, f"{spec.name} needs no training")


def _factor(mpp: float | None, expected: float | None) -> tuple[float, str]:
    """The factor that brings inputs to the pixel size of the weights, and what to say of it."""
    if expected is None:
        return 1.0, ""
    if mpp is None:
        return 1.0, f"pixel size of the images unknown, taken as {expected:.4g} µm/px (or --mpp)"
    if abs(mpp / expected - 1) <= SAME_MPP:
        return 1.0, ""
    return mpp / expected, (
        f"images resampled from {mpp:.4g} to {expected:.4g} µm/px, and their translations back"
    )


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
        scaled = rescale_image(image, factor)
        done = translate_image(translator, scaled, machine, options.windows, norms)
    except DataError as error:
        raise _naming(error, item.path) from error
    path = output_path(options.out, item, SUFFIX[options.format])
    seam = done.seam if done.seam is not None and math.isfinite(done.seam) else None
    about = {"histokit": origin, "source": str(item.path), "seam": seam, "scale": factor}
    pixels = _sized(done, image.shape[:2])
    write_picture(path, pixels, options.format, mpp=options.mpp, provenance=about)
    seconds = round(time.perf_counter() - began, 3)
    return _Row(item.path, path, done.windows, done.seam, seconds)


def _naming(error: DataError, path: Path) -> DataError:
    """The error with the path in it."""
    if str(path) in str(error):
        return error
    what = f"{path}: {error.what}"
    return DataError(what, expected=error.expected, found=error.found, hint=error.hint)


def _sized(done: Translation, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """The translation at the size of its source."""
    if done.image.shape[:2] == size:
        return done.image
    shape = (*size, *done.image.shape[2:])
    shrinks = size[0] < done.image.shape[0]
    resized = resize(done.image, shape, order=1, anti_aliasing=shrinks, preserve_range=True)
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


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
    failed = out / "failures.json"
    if failures:
        write_json(failed, list(failures))
    else:
        failed.unlink(missing_ok=True)


def _tell_failures(failed: int, total: int, listed: Path) -> None:
    if failed == total:
        raise DataError(f"{failed} of {total} images failed; none is done", found=str(listed))
    if failed:
        raise PartialFailure(
            f"{failed} of {total} images failed; the others are done", found=str(listed)
        )
