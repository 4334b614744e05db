"""The data set that `eval` scores on: split as the run split it, at the weights' pixel size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from histokit.data.split import Split
from histokit.errors import UsageError
from histokit.io.files import read_json
from histokit.registry.datasets import find_dataset, set_name
from histokit.registry.refs import parse_pool
from histokit.run.domains import Domain, at_mpp, open_domain
from histokit.run.evaluation.options import EvalOptions
from histokit.run.models import Trained


def open_target(options: EvalOptions, trained: Trained | None) -> tuple[Domain, list[str]]:
    """The data set, and lines about it.

    Without trained weights (predictions of another tool) it keeps its own pixel size. Raises
    UsageError where no data set is named, and what `open_domain` raises.
    """
    run = run_settings(trained)
    ref = options.target or own_target(run)
    if not ref:
        typed = options.ref or f"--predictions {options.predictions}"
        raise UsageError("which data set?", hint=f"histokit eval {typed} --target NAME")
    domain = _open(ref, options, run)
    trained_on, changed = _split_of_run(trained, domain)
    if trained_on is not None:
        domain = replace(domain, split=trained_on)
    notes = [changed] if changed else []
    if options.part in ("train", "all") and trained_on is not None:
        notes.append(
            f"images of the {options.part} part were used in training: this is no test score"
        )
    domain, note = at_mpp(domain, trained.card.get("mpp") if trained else None)
    return domain, [*notes, note] if note else notes


def run_settings(trained: Trained | None) -> dict[str, Any]:
    """The settings of the run that made the weights; empty without a run."""
    if trained is None or trained.run is None:
        return {}
    return {name: item["value"] for name, item in trained.run.settings()["run"].items()}


def own_target(run: Mapping[str, Any]) -> str:
    """The data set that a run is scored on unasked: its target, its pairs, or else its source."""
    return next(filter(None, (run.get(role) for role in ("target", "pairs", "source"))), "")


def _open(ref: str, options: EvalOptions, run: Mapping[str, Any]) -> Domain:
    """The data set, split by the shares of the run or else of the options."""
    shares = tuple(run.get("split", options.split))
    root = options.data_root or (Path(run["data_root"]) if run.get("data_root") else None)
    unsplit: Split | None = {} if options.part == "all" else None
    return open_domain(
        ref,
        data_root=root,
        shares=(shares[0], shares[1], shares[2]),
        split_seed=int(run.get("split_seed", options.split_seed)),
        split=unsplit,
    )


def _split_of_run(trained: Trained | None, domain: Domain) -> tuple[Split | None, str]:
    """How the run split this data set, and a line where images came or went since then; None where
    it did not open it. A data set is the same when its name is and keys are; the user's own files,
    when they also lie in the same folder.
    """
    path = trained.run.path / "split.json" if trained and trained.run else None
    if path is None or not path.exists():
        return None, ""
    keys = {record.key for record in domain.data.records()}
    for ref, split in (one for item in read_json(path).values() for one in splits_of(item)):
        known = {key for part in split.values() for key in part}
        if known.isdisjoint(keys) or not _same_place(ref, domain):
            continue
        kept = {part: [key for key in own if key in keys] for part, own in split.items()}
        changed = (
            f"{domain.name} has changed since the run: {len(known - keys)} images are gone, "
            f"{len(keys - known)} new ones belong to no part (--part all scores them)"
        )
        return kept, "" if known == keys else changed
    return None, ""


def splits_of(item: Mapping[str, Any]) -> list[tuple[str, Split]]:
    """What split.json says of a data set: how the run named and split it and, of a pool, each
    member with its keys as they are alone.
    """
    ref, split = str(item["ref"]), item["split"]
    found = [(ref, split)]
    members = parse_pool(ref)
    for member in members if len(members) > 1 else ():
        head = f"{set_name(member, find_dataset(member.name))}/"
        own = {
            part: [key.removeprefix(head) for key in keys if key.startswith(head)]
            for part, keys in split.items()
        }
        found.append((str(member), own))
    return found


def _same_place(ref: str, domain: Domain) -> bool:
    """Whether `ref` means the data set of `domain`."""
    (name, _, path), (own_name, _, own_path) = ref.partition(":"), domain.ref.partition(":")
    if name != own_name or not domain.spec.own:
        return name == own_name
    return Path(path).expanduser().resolve() == Path(own_path).expanduser().resolve()
