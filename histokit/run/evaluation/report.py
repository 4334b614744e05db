"""The report of an evaluation: its words, settings, curves, pictures and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from histokit.interfaces import Record
from histokit.io.files import read_json
from histokit.io.labels import read_label_tiff
from histokit.metrics.table import ImageScore
from histokit.report.data import Curve, Panel, Setting
from histokit.report.tables import pick_panels
from histokit.run.domains import Domain
from histokit.run.evaluation.options import EvalOptions
from histokit.run.evaluation.scoring import prediction_path
from histokit.run.evaluation.target import own_target, run_settings
from histokit.run.machine import Machine
from histokit.run.models import Trained
from histokit.run.provenance import environment

HEADLINE = "dice"
"""The metric by which best, median and worst image are picked."""
EMPTY_RULES = {
    "skip": "images without nuclei in truth and prediction are skipped and counted",
    "one": "images without nuclei in truth and prediction count 1",
    "zero": "images without nuclei in truth and prediction count 0",
}


def report_folder(options: EvalOptions, name: str, trained: Trained | None, domain: Domain) -> Path:
    """Where the report goes: what was asked for; else the run's own report folder for the test
    of its own target (of its source, where it has none), and a named one beside it otherwise.
    """
    if options.out is not None:
        return options.out
    target = domain.name.replace("@", "-").replace("/", "-")
    if trained is None or trained.run is None:
        return options.runs / f"eval_{name}_{target}_{options.part}"
    if domain.ref == own_target(run_settings(trained)) and options.part == "test":
        return trained.run.report
    return trained.run.report / f"{target}-{options.part}"


def honesty(trained: Trained | None, options: EvalOptions, domain: Domain) -> list[str]:
    """What a reader must know to judge the numbers."""
    notes = [f"{options.part} part, split by {domain.spec.group}", EMPTY_RULES[options.empty]]
    notes += weights_notes(trained)
    labels = _environment(trained).get("target_labels")
    if labels:
        notes.append(f"target labels during training: {labels}")
    return notes


def weights_notes(trained: Trained | None) -> list[str]:
    """Which weights these are, where there are any."""
    if trained is None or not trained.card:
        return []
    kept, how = trained.card["kept"], trained.card["selection"]
    return [f"weights of step {kept.get('step')}, chosen by: {how}"]


def settings(trained: Trained | None) -> list[Setting]:
    """The settings of the run that made the weights, with their origins."""
    if trained is None or trained.run is None:
        return []
    known = trained.run.settings()
    both = {**known["settings"], **known["run"]}
    hidden = {"data_root", "runs"}
    return [
        Setting(name, str(item["value"]), item["origin"])
        for name, item in both.items()
        if name not in hidden
    ]


def curves(trained: Trained | None) -> dict[str, Curve]:
    """The logged losses and validation scores over steps."""
    points: dict[str, list[tuple[int, float]]] = {}
    for step, _, name, value in trained.run.metrics() if trained and trained.run else ():
        points.setdefault(name, []).append((step, value))
    return {name: Curve(*zip(*sorted(pairs), strict=True)) for name, pairs in points.items()}


def panels(domain: Domain, rows: Sequence[ImageScore], out: Path) -> list[Panel]:
    """Best, median and worst image by the headline metric."""
    by_key = {record.key: record for record in domain.part("all")}
    values = {row.key: row.values.get(HEADLINE) for row in rows}
    return [
        _panel(domain, by_key[key], out, label, values[key])
        for label, key in pick_panels(rows, HEADLINE).items()
    ]


def provenance(trained: Trained | None, options: EvalOptions, machine: Machine) -> dict[str, str]:
    """Where the numbers come from."""
    now = environment(machine)
    libraries = ", ".join(f"{name} {version}" for name, version in now["libraries"].items())
    plugins = ", ".join(f"{name} {version}" for name, version in now["plugins"].items())
    made = {"predictions": str(options.predictions)} if trained is None else _origin(trained)
    return {
        **made,
        "device": now["device"],
        "versions": f"histokit {now['histokit']}, {plugins}, {libraries}",
        "command": " ".join(now["command"]) or "none: called from Python",
    }


def _panel(domain: Domain, record: Record, out: Path, label: str, score: float | None) -> Panel:
    return Panel(
        label=label,
        key=record.key,
        score=score,
        image=domain.data.image(record),
        truth=domain.data.labels(record).ids,
        prediction=read_label_tiff(prediction_path(out, record)),
        metric=HEADLINE,
    )


def _origin(trained: Trained) -> dict[str, str]:
    return {
        "run": trained.run.id if trained.run else "none: no training",
        "settings": str(trained.card.get("digest", ""))[:12],
    }


def _environment(trained: Trained | None) -> dict[str, Any]:
    path = trained.run.path / "env.json" if trained and trained.run else None
    return read_json(path) if path is not None and path.exists() else {}
