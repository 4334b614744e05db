"""Trained things by name: a run folder, a weights file, a preset, or a method without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from histokit.config.resolve import Layer, resolve
from histokit.errors import ContractError, DataError, UsageError
from histokit.interfaces import (
    Access,
    Adapter,
    Method,
    MethodSpec,
    Segmenter,
    Stateful,
    Translator,
)
from histokit.io.checkpoints import load_weights
from histokit.io.runs import RunFolder, list_runs
from histokit.registry.methods import find_method, find_preset
from histokit.registry.refs import parse_ref
from histokit.run.context import RunContext, context_of_card
from histokit.run.later import later_preset, require_later
from histokit.run.machine import Machine, told_out_of_memory
from histokit.run.probe import check_probe, probe
from histokit.run.published import hub_line, published_weights

READS = {
    Access.SOURCE: "--source DATASET",
    Access.TARGET_LABELS: "--target DATASET",
    Access.PAIRS: "--pairs DATASET",
}
"""What `train` must be given, by what a method reads; two data sets where it is not here."""
CARD_KEYS = ("method", "settings", "tile", "mpp", "probe", "kept", "selection")
"""What the card of a weights file must say for the weights to be used."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A method with its trained weights.

    Attributes:
        method: the method, in eval mode, frozen.
        spec: its card.
        card: what its weights file says: mpp, data, hash and so on.
        run: the run folder, or None for a weights file or a method without training.
        note: a line saying which weights were taken.
        weights: their file, or None for a method without training.
    """

    method: Method
    spec: MethodSpec
    card: Mapping[str, Any]
    run: RunFolder | None
    note: str
    weights: Path | None = None


def load_trained(
    ref: str,
    machine: Machine,
    runs: Path,
    *,
    run: Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Trained:
    """The trained method that `ref` names.

    Args:
        ref: a method, ``method:preset``, run folder or weights file.
        machine: where it runs.
        runs: where run folders are looked for when `ref` names only a method.
        run: a run folder or weights file that `ref` is to be loaded from.
        settings: read only after training, by name; other than the weights were kept with.

    A preset that only has such settings fits every run. Raises UsageError, saying which `train`
    command makes them, where there are no weights.
    """
    parsed = parse_ref(ref)
    chosen = dict(settings or {})
    if run is not None and parsed.kind != "method":
        raise UsageError(
            "two sets of weights are named", found=f"{ref} and {run}", hint="leave one of them out"
        )
    if parsed.kind == "run" and parsed.path is not None:
        return _from_run(RunFolder.open(parsed.path), machine, runs, "", chosen)
    if parsed.kind == "weights" and parsed.path is not None:
        return _from_weights(parsed.path, machine, runs, None, "", chosen)
    spec = find_method(parsed.name)
    require_later(spec, chosen)
    chosen = {**later_preset(spec, parsed.preset), **chosen}
    if run is not None:
        given = _from_path(run, machine, runs, chosen)
        if given.spec.name != spec.name:
            raise UsageError(
                f"{run} does not hold {spec.name}",
                found=f"a run of {given.spec.name}",
                hint=f"histokit predict {given.spec.name} … --run {run}",
            )
        return given
    if spec.access is Access.NOTHING:
        preset = find_preset(spec, parsed.preset).overrides if parsed.preset else {}
        config = resolve(spec.config, [Layer("preset", preset)]).config
        method = spec.load().build(config, RunContext(machine, runs=runs))
        return Trained(_at_rest(method), spec, {}, None, f"{spec.name} needs no training")
    newest = _newest(spec, "" if later_preset(spec, parsed.preset) else parsed.preset, runs)
    if newest is not None:
        note = f"newest finished run of {spec.name}: {newest.path}"
        return _from_run(newest, machine, runs, note, chosen)
    shipped = published_weights(spec, parsed.preset)
    if shipped is not None:
        return _from_weights(shipped, machine, runs, None, f"weights of {ref}: {shipped}", chosen)
    raise _no_weights(spec, parsed.preset, runs)


def load_segmenter(ref: str, machine: Machine, runs: Path) -> Segmenter:
    """The segmenter that `ref` names. Raises UsageError where the method is none."""
    return segmenter_of(load_trained(ref, machine, runs))


def load_translator(ref: str, machine: Machine, runs: Path) -> Translator:
    """The translator that `ref` names. Raises UsageError where the method is none."""
    trained = load_trained(ref, machine, runs)
    if not isinstance(trained.method, Translator):
        raise UsageError(
            f"{trained.spec.name} does not translate images",
            found="its roles: " + ", ".join(trained.spec.roles),
            hint="see `histokit methods list` for translators",
        )
    return trained.method


def segmenter_of(trained: Trained) -> Segmenter:
    """What a trained method segments with. Raises UsageError where it does not segment."""
    method = trained.method
    found = method.segmenter() if isinstance(method, Adapter) else method
    if not isinstance(found, Segmenter):
        raise UsageError(
            f"{trained.spec.name} does not segment images",
            found="its roles: " + ", ".join(trained.spec.roles),
            hint="see `histokit methods list` for segmenters and adapters",
        )
    return found


def networks_of(stateful: Mapping[str, Stateful]) -> dict[str, nn.Module]:
    """The networks among the state of a method."""
    return {name: item for name, item in stateful.items() if isinstance(item, nn.Module)}


def weights_of(stateful: Mapping[str, Stateful]) -> dict[str, Tensor]:
    """All weights and buffers of the networks, named ``network.path``."""
    return {
        f"{name}.{path}": tensor
        for name, network in networks_of(stateful).items()
        for path, tensor in network.state_dict().items()
    }


def put_weights(
    stateful: Mapping[str, Stateful], weights: Mapping[str, Tensor], path: Path
) -> None:
    """Loads what `weights_of` gave. Raises DataError, naming the file `path` that it comes from,
    where names or shapes differ.
    """
    owners = tuple(f"{name}." for name in networks_of(stateful))
    strange = [key for key in weights if not key.startswith(owners)]
    if strange:
        raise DataError(
            f"{path} holds weights that nothing takes",
            expected=f"names that begin with {', '.join(owners) or 'nothing: there is no network'}",
            found=strange[0],
            hint="they were made with other settings or another version of the plugin",
        )
    for name, network in networks_of(stateful).items():
        own = {
            path.removeprefix(f"{name}."): tensor
            for path, tensor in weights.items()
            if path.startswith(f"{name}.")
        }
        try:
            network.load_state_dict(own)
        except RuntimeError as error:
            raise DataError(
                f"{path} does not fit the network {name!r}",
                found=str(error).splitlines()[-1].strip(),
                hint="they were made with other settings or another version of the plugin",
            ) from error


def _from_path(path: Path, machine: Machine, runs: Path, chosen: Mapping[str, Any]) -> Trained:
    if path.is_file() or path.suffix == ".safetensors":
        return _from_weights(path, machine, runs, None, "", chosen)
    return _from_run(RunFolder.open(path), machine, runs, "", chosen)


def _from_run(
    run: RunFolder, machine: Machine, runs: Path, note: str, chosen: Mapping[str, Any]
) -> Trained:
    if not run.best.exists():
        raise DataError(
            f"{run.path} holds no finished weights",
            expected=str(run.best),
            found=f"a run that is {run.state().get('status', 'not begun')}",
            hint=f"histokit train {run.settings()['method']} --resume {run.path}",
        )
    return _from_weights(run.best, machine, runs, run, note, chosen)


def _from_weights(
    path: Path,
    machine: Machine,
    runs: Path,
    run: RunFolder | None,
    note: str,
    chosen: Mapping[str, Any],
) -> Trained:
    """The method of a weights file, with the settings it was kept with but for the `chosen`."""
    weights, card = load_weights(path)
    lacking = [key for key in CARD_KEYS if key not in card]
    if lacking:
        raise DataError(
            f"the card of {path} is damaged",
            expected="all of " + ", ".join(CARD_KEYS),
            found="no " + ", ".join(lacking),
        )
    spec = find_method(card["method"])
    require_later(spec, chosen)
    kept = Layer(str(path), card["settings"])
    context = context_of_card(card, machine, runs)

    def built(*layers: Layer) -> Method:
        method: Method = spec.load().build(resolve(spec.config, layers).config, context)
        put_weights(method.stateful(), weights, path)
        return _at_rest(method)

    note = note or f"weights: {path}"
    with told_out_of_memory("free the memory of the device, or use --device cpu"):
        method = built(kept)
        check_probe(card["probe"], probe(method, machine.device), str(path))
        if chosen:
            method = built(kept, Layer("--set", chosen))
            note += f" ({', '.join(f'{name} {value}' for name, value in chosen.items())})"
    return Trained(method, spec, card, run, note, path)


def _newest(spec: MethodSpec, preset: str, runs: Path) -> RunFolder | None:
    for run in list_runs(runs):
        settings = run.settings()
        presets = str(settings.get("preset", "")).split(",")
        same = settings["method"] == spec.name and (not preset or preset in presets)
        if same and run.best.exists() and run.state().get("status") == "finished":
            return run
    return None


def _no_weights(spec: MethodSpec, preset: str, runs: Path) -> UsageError:
    option = f" --preset {preset}" if preset else ""
    needed = READS.get(spec.access, "--source DATASET --target DATASET")
    ways = [hub_line(spec, preset), f"histokit train {spec.name}{option} {needed}"]
    return UsageError(
        f"there are no trained weights of {spec.name}{':' + preset if preset else ''}",
        expected=f"a finished run in {runs}, or --run FOLDER",
        hint=", or ".join(filter(None, ways)),
    )


def _at_rest(method: Method) -> Method:
    if not isinstance(method, Method):
        raise ContractError(
            "the factory of the card does not build a Method", found=type(method).__name__
        )
    for network in networks_of(method.stateful()).values():
        network.eval().requires_grad_(False)
    return method
