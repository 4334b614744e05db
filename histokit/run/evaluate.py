"""`histokit eval`: a trained method against the truth, image by image, and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from histokit.config.run import RunConfig
from histokit.data.split import Split
from histokit.errors import (
    ConfigError,
    DataError,
    DeviceError,
    HistokitError,
    PartialFailure,
    UsageError,
)
from histokit.interfaces import Record, Segmenter
from histokit.io.files import read_json, require_folder
from histokit.io.labels import read_label_tiff, write_label_tiff
from histokit.metrics.scores import score
from histokit.metrics.table import ImageScore, Summary, summarise
from histokit.report.data import Curve, Panel, Report, Setting
from histokit.report.page import write_report
from histokit.report.tables import pick_panels
from histokit.run.domains import Domain, at_mpp, open_domain, resize_ids
from histokit.run.events import Evaluated, Event, ItemDone, ItemFailed, Noted
from histokit.run.infer import Windows, decode, segment_image
from histokit.run.machine import Machine, open_machine
from histokit.run.models import Trained, load_trained, segmenter_of
from histokit.run.provenance import environment

DEFAULTS = RunConfig()
"""What `train` splits by when nothing else is said."""
Part = Literal["test", "val", "train", "all"]
HEADLINE = "dice"
"""The metric by which best, median and worst image are picked."""
EMPTY_RULES = {
    "skip": "images without nuclei in truth and prediction are skipped and counted",
    "one": "images without nuclei in truth and prediction count 1",
    "zero": "images without nuclei in truth and prediction count 0",
}


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What `eval` is asked to do.

    Attributes:
        ref: method, preset, run folder or weights file.
        target: data set to score on; empty for the target of the run.
        part: which images: the test part of the split, or another.
        out: folder of the report; None puts it into the run folder.
        run: run folder or weights to take, where `ref` is only a method.
        runs: where run folders are.
        data_root: folder that holds data sets.
        split: shares, where no run fixed a split.
        split_seed: seed of such a split.
        empty: what counts for images that are empty in truth and prediction.
        windows: how images are cut.
    """

    ref: str
    target: str = ""
    part: Part = "test"
    out: Path | None = None
    run: Path | None = None
    runs: Path = Path("runs")
    data_root: Path | None = None
    split: tuple[float, float, float] = DEFAULTS.split
    split_seed: int = DEFAULTS.split_seed
    empty: Literal["skip", "one", "zero"] = "skip"
    windows: Windows = field(default_factory=Windows)
    device: str = "auto"
    precision: str = "auto"


def evaluate(options: EvalOptions) -> Iterator[Event]:
    """Scores every image of the part and writes the report; ends with `Evaluated`.

    Raises PartialFailure after the report is written when images failed, DataError when all did.
    """
    if options.out is not None:
        require_folder(options.out)
    machine = open_machine(options.device, options.precision)
    trained = load_trained(options.ref, machine, options.runs, run=options.run)
    segmenter = segmenter_of(trained)
    yield Noted(trained.note)
    domain, notes = _target(options, trained)
    for note in notes:
        yield Noted(note)
    records = domain.part(options.part)
    if not records:
        raise UsageError(
            f"the {options.part} part of {domain.name} is empty",
            hint="--part all scores every image of the data set",
        )
    out = options.out or _report_folder(trained, domain, options)
    require_folder(out)
    rows: list[ImageScore] = []
    for number, record in enumerate(records, 1):
        event, row = _scored(segmenter, domain, record, machine, options, out, number, len(records))
        rows.append(row)
        yield event
    summaries = summarise(rows, empty=options.empty)
    report = _report(trained, domain, options, rows, summaries, machine, out, notes)
    page = write_report(out, report)
    failed = sum(bool(row.error) for row in rows)
    name = trained.spec.name
    yield Evaluated(page, report, name, domain.name, options.part, len(rows), failed)
    if failed:
        kind = DataError if failed == len(rows) else PartialFailure
        raise kind(
            f"{failed} of {len(rows)} images could not be scored; the report counts them",
            found=str(out / "per_image.csv"),
        )


def _target(options: EvalOptions, trained: Trained) -> tuple[Domain, list[str]]:
    """The data set to score on, split as the run split it, at the pixel size of the weights."""
    run = _run_settings(trained)
    ref = options.target or run.get("target") or run.get("source") or ""
    if not ref:
        raise UsageError("which data set?", hint=f"histokit eval {options.ref} --target NAME")
    shares = tuple(run.get("split", options.split))
    seed = int(run.get("split_seed", options.split_seed))
    root = options.data_root or (Path(run["data_root"]) if run.get("data_root") else None)
    unsplit: Split | None = {} if options.part == "all" else None
    domain = open_domain(
        ref,
        data_root=root,
        shares=(shares[0], shares[1], shares[2]),
        split_seed=seed,
        split=unsplit,
    )
    trained_on, changed = _split_of_run(trained, domain)
    if trained_on is not None:
        domain = replace(domain, split=trained_on)
    notes = [changed] if changed else []
    if options.part in ("train", "all") and trained_on is not None:
        notes.append(
            f"images of the {options.part} part were used in training: this is no test score"
        )
    domain, note = at_mpp(domain, trained.card.get("mpp"))
    return domain, [*notes, note] if note else notes


def _run_settings(trained: Trained) -> dict[str, Any]:
    if trained.run is None:
        return {}
    return {name: item["value"] for name, item in trained.run.settings()["run"].items()}


def _split_of_run(trained: Trained, domain: Domain) -> tuple[Split | None, str]:
    """How the run split this data set, and a line where images came or went since then; None where
    it did not open it. A data set is the same when its name is and keys are; the user's own files,
    when they also lie in the same folder.
    """
    path = trained.run.path / "split.json" if trained.run else None
    if path is None or not path.exists():
        return None, ""
    keys = {record.key for record in domain.data.records()}
    for item in read_json(path).values():
        known = {key for part in item["split"].values() for key in part}
        if known.isdisjoint(keys) or not _same_place(item["ref"], domain):
            continue
        kept = {part: [key for key in own if key in keys] for part, own in item["split"].items()}
        changed = (
            f"{domain.name} has changed since the run: {len(known - keys)} images are gone, "
            f"{len(keys - known)} new ones belong to no part (--part all scores them)"
        )
        return kept, "" if known == keys else changed
    return None, ""


def _same_place(ref: str, domain: Domain) -> bool:
    """Whether `ref` means the data set of `domain`."""
    (name, _, path), (own_name, _, own_path) = ref.partition(":"), domain.ref.partition(":")
    if name != own_name or not domain.spec.own:
        return name == own_name
    return Path(path).expanduser().resolve() == Path(own_path).expanduser().resolve()


def _report_folder(trained: Trained, domain: Domain, options: EvalOptions) -> Path:
    """The run's own report folder for its own target's test; a named one beside it otherwise."""
    name = domain.name.replace("@", "-").replace("/", "-")
    if trained.run is None:
        return options.runs / f"eval_{trained.spec.name}_{name}_{options.part}"
    if domain.ref == _run_settings(trained).get("target") and options.part == "test":
        return trained.run.report
    return trained.run.report / f"{name}-{options.part}"


def _scored(
    segmenter: Segmenter,
    domain: Domain,
    record: Record,
    machine: Machine,
    options: EvalOptions,
    out: Path,
    number: int,
    total: int,
) -> tuple[Event, ImageScore]:
    began = time.perf_counter()
    try:
        found = decode(
            segmenter, segment_image(segmenter, domain.image(record), machine, options.windows)
        )
        truth = domain.data.labels(record).ids
        height, width = truth.shape
        ids = (
            found.ids if found.ids.shape == truth.shape else resize_ids(found.ids, (height, width))
        )
    except (DeviceError, ConfigError):
        raise
    except HistokitError as error:
        failed = ImageScore(record.key, record.group, {}, str(error))
        return ItemFailed(record.key, number, total, str(error)), failed
    write_label_tiff(_prediction(out, record), ids, mpp=domain.native_mpp(record))
    scores = score(truth, ids)
    row = ImageScore(record.key, record.group, scores.values())
    shown = {name: row.values[name] for name in ("dice", "aji", "pq")}
    return ItemDone(record.key, number, total, time.perf_counter() - began, shown), row


def _prediction(out: Path, record: Record) -> Path:
    return out / "predictions" / f"{record.key.replace('/', '_')}.tif"


def _report(
    trained: Trained,
    domain: Domain,
    options: EvalOptions,
    rows: Sequence[ImageScore],
    summaries: Sequence[Summary],
    machine: Machine,
    out: Path,
    notes: Sequence[str],
) -> Report:
    return Report(
        title=f"{trained.spec.name} on {domain.name}",
        subtitle=f"{options.part} images of {domain.spec.summary}",
        settings=_settings(trained),
        curves=_curves(trained),
        comparisons=(),
        summaries=summaries,
        rows=rows,
        panels=_panels(domain, rows, out),
        notes=[*notes, *_honesty(trained, options, domain)],
        provenance=_provenance(trained, machine),
    )


def _honesty(trained: Trained, options: EvalOptions, domain: Domain) -> list[str]:
    """What a reader must know to judge the numbers."""
    notes = [f"{options.part} part, split by {domain.spec.group}", EMPTY_RULES[options.empty]]
    if trained.card:
        kept = trained.card["kept"]
        how = trained.card["selection"]
        notes.append(f"weights of step {kept.get('step')}, chosen by: {how}")
    labels = _environment(trained).get("target_labels")
    if labels:
        notes.append(f"target labels during training: {labels}")
    return notes


def _environment(trained: Trained) -> dict[str, Any]:
    path = trained.run.path / "env.json" if trained.run else None
    return read_json(path) if path is not None and path.exists() else {}


def _settings(trained: Trained) -> list[Setting]:
    if trained.run is None:
        return []
    settings = trained.run.settings()
    both = {**settings["settings"], **settings["run"]}
    hidden = {"data_root", "runs"}
    return [
        Setting(name, str(item["value"]), item["origin"])
        for name, item in both.items()
        if name not in hidden
    ]


def _curves(trained: Trained) -> dict[str, Curve]:
    """The logged losses and validation scores over steps."""
    points: dict[str, list[tuple[int, float]]] = {}
    for step, _, name, value in trained.run.metrics() if trained.run else ():
        points.setdefault(name, []).append((step, value))
    return {name: Curve(*zip(*sorted(pairs), strict=True)) for name, pairs in points.items()}


def _panels(domain: Domain, rows: Sequence[ImageScore], out: Path) -> list[Panel]:
    """Best, median and worst image by the headline metric."""
    by_key = {record.key: record for record in domain.part("all")}
    values = {row.key: row.values.get(HEADLINE) for row in rows}
    return [
        Panel(
            label=label,
            key=key,
            score=values[key],
            image=domain.data.image(by_key[key]),
            truth=domain.data.labels(by_key[key]).ids,
            prediction=read_label_tiff(_prediction(out, by_key[key])),
            metric=HEADLINE,
        )
        for label, key in pick_panels(rows, HEADLINE).items()
    ]


def _provenance(trained: Trained, machine: Machine) -> dict[str, str]:
    now = environment(machine)
    libraries = ", ".join(f"{name} {version}" for name, version in now["libraries"].items())
    plugins = ", ".join(f"{name} {version}" for name, version in now["plugins"].items())
    return {
        "run": trained.run.id if trained.run else "none: no training",
        "settings": str(trained.card.get("digest", ""))[:12],
        "device": now["device"],
        "versions": f"histokit {now['histokit']}, {plugins}, {libraries}",
        "command": " ".join(now["command"]),
    }
