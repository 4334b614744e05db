"""What a run reads: its data sets, as far as the method may see them, and the feeds from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from histokit.config.base import TrainingWindows
from histokit.data.augment import Augment
from histokit.data.colour import grey_reader
from histokit.data.draws import FeedSettings
from histokit.data.feeds import Feeds
from histokit.data.pool import Pool
from histokit.data.pooled import Pooled
from histokit.data.take import take_images
from histokit.errors import UsageError
from histokit.interfaces import Access, Record
from histokit.run.domains import Domain, at_mpp, open_domain, require_labels
from histokit.run.machine import Machine
from histokit.run.plan import RunPlan


def open_domains(
    plan: RunPlan, split: Mapping[str, Any] | None
) -> tuple[dict[str, Domain], list[str]]:
    """The data sets that the method may read, at one pixel size, and lines about them."""
    if plan.spec.access is Access.PAIRS:
        wanted = {"pairs": plan.run.pairs}
    else:
        wanted = {"source": plan.run.source, "target": plan.run.target}
    oracle = plan.run.selection == "target-val-oracle"
    if plan.spec.access is Access.NOTHING or (plan.spec.access is Access.SOURCE and not oracle):
        wanted.pop("target")
    if plan.spec.access in (Access.TARGET_LABELS, Access.NOTHING):
        wanted.pop("source")
    domains = {
        role: open_domain(
            ref,
            data_root=plan.run.data_root,
            shares=plan.run.split,
            split_seed=plan.run.split_seed,
            fold=None if plan.run.fold is None else (plan.run.fold, plan.run.folds),
            split=split[role]["split"] if split else None,
        )
        for role, ref in wanted.items()
        if ref
    }
    if split is None and "source" in domains:
        domains["source"] = taken_of(plan, domains["source"])
    for role, parts in _labels_needed(plan).items():
        if role in domains:
            require_labels(domains[role], *parts)
    mpp = plan.run.mpp or _common_mpp(domains)
    notes = []
    _require_pixel_sizes(plan, domains)
    for role, domain in domains.items():
        own = mpp / (plan.run.target_scale or 1.0) if mpp and role == "target" else mpp
        domains[role], note = at_mpp(domain, own)
        notes += [note] if note else []
    return domains, notes


def taken_of(plan: RunPlan, source: Domain) -> Domain:
    """The source with only so many images of a member as `take` says.

    Raises UsageError where it has no such member, DataError where that has fewer images.
    """
    members = source.data.names if isinstance(source.data, Pooled) else ()
    split = source.split
    for name, number in plan.run.taken.items():
        if name not in members:
            raise UsageError(
                f"--take names {name}, which is no member of the source",
                expected=" or ".join(members) or "a pooled source, as --source a+b",
                found=f"--source {source.ref} --take {plan.run.take}",
            )
        split = take_images(split, name, number, plan.run.seed)
    return replace(source, split=split)


def _labels_needed(plan: RunPlan) -> dict[str, tuple[str, ...]]:
    """The parts of each data set whose labels the run reads."""
    if plan.spec.access in (Access.NOTHING, Access.IMAGES, Access.PAIRS):
        return {}
    trains = "target" if plan.spec.access is Access.TARGET_LABELS else "source"
    chooses = "target" if plan.run.selection == "target-val-oracle" else trains
    return (
        {trains: ("train", "val")} if chooses == trains else {trains: ("train",), chooses: ("val",)}
    )


def _require_pixel_sizes(plan: RunPlan, domains: Mapping[str, Domain]) -> None:
    """Raises UsageError where the target is to be scaled and its pixel size is not known."""
    target = domains.get("target")
    if plan.run.target_scale == 1.0 or target is None:
        return
    unknown = [r for r in target.data.records() if target.native_mpp(r) is None]
    if unknown:
        raise UsageError(
            f"--target-scale needs the pixel size of {target.name}",
            found=f"{len(unknown)} images without, such as {unknown[0].image or unknown[0].key}",
            hint="scale the files themselves, or give their pixel size in the data set",
        )


def _common_mpp(domains: Mapping[str, Domain]) -> float | None:
    """The pixel size of the labelled data set, or of the other where that is unknown."""
    for domain in domains.values():
        sizes = [size for r in domain.data.records() if (size := domain.native_mpp(r)) is not None]
        if sizes:
            return sorted(sizes)[len(sizes) // 2]
    return None


def open_feeds(plan: RunPlan, machine: Machine, domains: Mapping[str, Domain]) -> Feeds:
    """The training images of each domain as the method may see them: labels stay shut where the
    card does not ask for them.
    """
    windows = TrainingWindows.of(plan.config)
    settings = FeedSettings(
        batch=windows.batch,
        side=windows.tile,
        augment=cast(Augment, windows.augment),
        seed=plan.run.seed,
        oversample=windows.oversample,
        channels_last=plan.run.channels_last,
        rank=machine.rank,
        world=machine.world,
    )
    workers = loading_processes(plan.run.workers, machine)
    pools = {role: _pool(plan, role, domain) for role, domain in domains.items()}
    labelled = pools.get("target" if plan.spec.access is Access.TARGET_LABELS else "source")
    adapts = plan.spec.access in (Access.TARGET_IMAGES, Access.IMAGES)
    return Feeds(
        settings,
        machine.device,
        source=labelled,
        target=pools.get("target") if adapts else None,
        pairs=pools.get("pairs"),
        workers=workers,
    )


def loading_processes(asked: int, machine: Machine) -> int:
    """As many as are asked for; where that is below 0, enough to feed a GPU and none for a CPU."""
    if asked >= 0:
        return asked
    return 4 if machine.on_gpu else 0


def _pool(plan: RunPlan, role: str, domain: Domain) -> Pool:
    """The training images of a domain, with labels or counterparts as far as the card asks."""
    access = plan.spec.access
    labelled = "target" if access is Access.TARGET_LABELS else "source"
    grey = TrainingWindows.of(plan.config).channels == 1
    image = grey_reader(domain.image) if grey else domain.image
    counterpart = grey_reader(domain.counterpart) if grey else domain.counterpart
    opened = role == labelled and access not in (Access.IMAGES, Access.PAIRS)
    records = domain.part("train")
    return Pool(
        f"{role}:{domain.name}",
        records,
        image,
        labels=domain.labels if opened else None,
        counterpart=counterpart if role == "pairs" else None,
        shares=_shares(domain, records) if plan.run.balanced and role == "source" else (),
    )


def _shares(domain: Domain, records: Sequence[Record]) -> list[list[int]]:
    """The places of each member's records. Raises UsageError where the data set is no pool."""
    if not isinstance(domain.data, Pooled):
        raise UsageError(
            "--balanced shares batches among the members of a pooled source",
            expected="--source a+b",
            found=f"--source {domain.ref}",
        )
    heads = [f"{name}/" for name in domain.data.names]
    places = [[n for n, r in enumerate(records) if r.key.startswith(head)] for head in heads]
    return [own for own in places if own]


def labels_read(plan: RunPlan) -> str:
    """What the run reads of the target's labels, in words."""
    if plan.spec.access is Access.TARGET_LABELS:
        return "read for training and validation: an upper bound, not adaptation"
    if plan.run.selection == "target-val-oracle":
        return "read on target validation images to choose the weights: an upper bound"
    return "never read"
