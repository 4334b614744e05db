"""What a run reads: its data sets, as far as the method may see them, and the feeds from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from histokit.data.feeds import Feeds, FeedSettings, Pool
from histokit.interfaces import Access
from histokit.run.domains import Domain, at_mpp, open_domain, require_labels
from histokit.run.machine import Machine
from histokit.run.plan import RunPlan


def open_domains(
    plan: RunPlan, split: Mapping[str, Any] | None
) -> tuple[dict[str, Domain], list[str]]:
    """The data sets that the method may read, at one pixel size, and lines about them."""
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
            split=split[role]["split"] if split else None,
        )
        for role, ref in wanted.items()
        if ref
    }
    for role, parts in _labels_needed(plan).items():
        if role in domains:
            require_labels(domains[role], *parts)
    mpp = plan.run.mpp or _common_mpp(domains)
    notes = []
    for role, domain in domains.items():
        domains[role], note = at_mpp(domain, mpp)
        notes += [note] if note else []
    return domains, notes


def _labels_needed(plan: RunPlan) -> dict[str, tuple[str, ...]]:
    """The parts of each data set whose labels the run reads."""
    if plan.spec.access in (Access.NOTHING, Access.IMAGES):
        return {}
    trains = "target" if plan.spec.access is Access.TARGET_LABELS else "source"
    chooses = "target" if plan.run.selection == "target-val-oracle" else trains
    return (
        {trains: ("train", "val")} if chooses == trains else {trains: ("train",), chooses: ("val",)}
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
    config = plan.config
    settings = FeedSettings(
        batch=int(getattr(config, "batch", 4)),
        side=int(getattr(config, "tile", 256)),
        augment=getattr(config, "augment", "none"),
        seed=plan.run.seed,
        rank=machine.rank,
        world=machine.world,
    )
    workers = plan.run.workers if plan.run.workers >= 0 else (4 if machine.on_gpu else 0)
    labelled_role = "target" if plan.spec.access is Access.TARGET_LABELS else "source"
    pools: dict[str, Pool] = {}
    for role, domain in domains.items():
        shut = role != labelled_role or plan.spec.access is Access.IMAGES
        name = f"{role}:{domain.name}"
        labels = None if shut else domain.labels
        pools[role] = Pool(name, domain.part("train"), domain.image, labels)
    labelled = pools.get(labelled_role)
    adapts = plan.spec.access in (Access.TARGET_IMAGES, Access.IMAGES)
    target = pools.get("target") if adapts else None
    return Feeds(labelled, target, settings, machine.device, workers)


def labels_read(plan: RunPlan) -> str:
    """What the run reads of the target's labels, in words."""
    if plan.spec.access is Access.TARGET_LABELS:
        return "read for training and validation: an upper bound, not adaptation"
    if plan.run.selection == "target-val-oracle":
        return "read on target validation images to choose the weights: an upper bound"
    return "never read"
