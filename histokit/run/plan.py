"""Everything a training run depends on, frozen; no torch is needed to make it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from histokit.config.files import load_file, parse_set
from histokit.config.resolve import Layer, resolve_all
from histokit.config.run import RunConfig
from histokit.errors import UsageError
from histokit.interfaces import Access, MethodSpec
from histokit.registry.datasets import find_dataset
from histokit.registry.methods import find_method, find_preset
from histokit.registry.networks import find_network
from histokit.registry.refs import parse_pool

LATER = ("strategy", "sync_batchnorm")
"""Settings that there were not when runs were first made, which are known again by their digest."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A method with its settings, the data and the machine, each value with its origin.

    Attributes:
        spec: the method's card.
        preset: name of the preset; empty for none.
        config: settings of the method.
        run: settings that all runs share.
        origins: where each value came from: default, preset, a file or an option.
    """

    spec: MethodSpec
    preset: str
    config: BaseModel
    run: RunConfig
    origins: Mapping[str, str]

    def digest(self) -> str:
        """A hash of everything that can change the result."""
        ignored = {"runs", "repeats", "tensorboard", "workers", "log_every"}
        ignored |= {"checkpoint_every", "checkpoint_minutes"}
        defaults = {name: RunConfig.model_fields[name].default for name in LATER}
        ignored |= {name for name, usual in defaults.items() if getattr(self.run, name) == usual}
        run = self.run.model_dump(mode="json", exclude=ignored)
        value = [self.spec.name, self.config.model_dump(mode="json"), run]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def settings(self) -> dict[str, Any]:
        """The plan as run.yaml holds it."""
        return {
            "method": self.spec.name,
            "preset": self.preset,
            "digest": self.digest(),
            "settings": self._values(self.config),
            "run": self._values(self.run),
        }

    def _values(self, model: BaseModel) -> dict[str, Any]:
        values = model.model_dump(mode="json")
        return {
            name: {"value": value, "origin": self.origins.get(name, "default")}
            for name, value in values.items()
        }

    def rounds(self) -> list[RunPlan]:
        """The plans of the single trainings: one a fold and seed."""
        folds = range(self.run.folds) if self.run.fold is None else [self.run.fold]
        plans = [self.with_seed(self.run.seed + number) for number in range(self.run.repeats)]
        if not self.run.folds:
            return plans
        return [
            replace(plan, run=plan.run.model_copy(update={"fold": fold}))
            for plan in plans
            for fold in folds
        ]

    def with_seed(self, seed: int) -> RunPlan:
        """The same plan with another seed."""
        return replace(self, run=self.run.model_copy(update={"seed": seed, "repeats": 1}))


def make_plan(
    method: str | MethodSpec,
    *,
    preset: str = "",
    file: Path | None = None,
    sets: Sequence[str] = (),
    method_values: Mapping[str, Any] | None = None,
    run_values: Mapping[str, Any] | None = None,
) -> RunPlan:
    """The plan that a command line asks for: default < preset < file < ``--set`` < options.

    Of several presets, parted by commas, a later one wins.

    Raises ConfigError with every wrong setting at once, UsageError where a data set is missing and
    UnknownName where nobody offers a data set or network.
    """
    spec = method if isinstance(method, MethodSpec) else find_method(method)
    layers = []
    for name in filter(None, preset.split(",")):
        layers.append(Layer(f"preset {name}", find_preset(spec, name).overrides))
    if file is not None:
        layers.append(Layer(str(file), load_file(file)))
    if sets:
        layers.append(Layer("--set", parse_set(sets)))
    layers.append(Layer("option", {**(method_values or {}), **(run_values or {})}))
    config, run = resolve_all([spec.config, RunConfig], layers)
    require_data(spec, run.config)
    _require_names(config.config, run.config)
    return RunPlan(spec, preset, config.config, run.config, {**config.origins, **run.origins})


def plan_of_run(settings: Mapping[str, Any]) -> RunPlan:
    """The plan that run.yaml recorded."""
    spec = find_method(settings["method"])
    both = {**settings["settings"], **settings["run"]}
    values = {name: item["value"] for name, item in both.items()}
    config, run = resolve_all([spec.config, RunConfig], [Layer("run.yaml", values)])
    origins = {name: item["origin"] for name, item in both.items()}
    return RunPlan(spec, settings.get("preset", ""), config.config, run.config, origins)


def require_data(spec: MethodSpec, run: RunConfig) -> None:
    """Raises UsageError where the method needs a data set that was not given."""
    needs = {
        Access.NOTHING: [],
        Access.SOURCE: ["source"],
        Access.TARGET_IMAGES: ["source", "target"],
        Access.TARGET_LABELS: ["target"],
        Access.IMAGES: ["source", "target"],
        Access.PAIRS: ["pairs"],
    }[spec.access]
    if run.selection == "target-val-oracle" and spec.access is Access.SOURCE:
        needs.append("target")
    missing = [name for name in needs if not getattr(run, name)]
    if missing:
        options = " ".join(f"--{name} DATASET" for name in missing)
        raise UsageError(
            f"{spec.name} needs {' and '.join('a ' + name for name in missing)} data set",
            expected=f"histokit train {spec.name} {options}",
            hint="see `histokit data list` for the names",
        )


def _require_names(config: BaseModel, run: RunConfig) -> None:
    """Finds the cards of the data sets and the network, before a run folder is made for them."""
    for ref in filter(None, (run.source, run.target, run.pairs)):
        for member in parse_pool(ref):
            find_dataset(member.name)
    network = getattr(config, "network", None)
    if isinstance(network, str):
        find_network(network)
