"""What is chosen by looking at the data, where the settings leave it open with a 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from histokit.config.base import TrainingWindows
from histokit.interfaces import Adapter, Method, Segmenter
from histokit.nn.nnunet.plan import plan as plan_windows
from histokit.run.domains import Domain, at_mpp
from histokit.run.plan import RunPlan
from histokit.run.structure import target_scale

LOOKED_AT = 50
"""Most training images whose size is looked at, evenly spread."""
ORIGIN = "planned"


def settled(
    plan: RunPlan, domains: Mapping[str, Domain]
) -> tuple[RunPlan, dict[str, Domain], list[str]]:
    """The plan without open settings, the domains that follow from it, and lines that say what was
    chosen: the scale of the target, then what `planned` chooses.
    """
    plan, domains, scale = scaled(plan, domains)
    plan, windows = planned(plan, domains)
    return plan, domains, [note for note in (scale, windows) if note]


def scaled(plan: RunPlan, domains: Mapping[str, Domain]) -> tuple[RunPlan, dict[str, Domain], str]:
    """The plan with an estimate in place of a `target_scale` of 0, and the target scaled by it."""
    found = dict(domains)
    if plan.run.target_scale or not {"source", "target"} <= domains.keys():
        return plan, found, ""
    factor, note = target_scale(domains["source"], domains["target"])
    mpp = domains["target"].mpp
    found["target"], _ = at_mpp(domains["target"], mpp / factor if mpp else None)
    run = plan.run.model_copy(update={"target_scale": factor})
    return replace(plan, run=run, origins={**plan.origins, "target_scale": ORIGIN}), found, note


def planned(plan: RunPlan, domains: Mapping[str, Domain]) -> tuple[RunPlan, str]:
    """The plan with a window, and a batch, in place of a `tile` and a `batch` of 0, and a line
    that says them; the plan as it is and nothing where neither is 0.

    By nnU-Net's rules, from the median size of the labelled training images as the run sees them,
    for a GPU of 8 GB.
    """
    windows = TrainingWindows.of(plan.config)
    domain = domains.get("source") or domains.get("target") or domains.get("pairs")
    if windows.tile or domain is None:
        return plan, ""
    records = domain.part("train")
    spread = records[:: -(-len(records) // LOOKED_AT)]
    sizes = np.median([domain.image(record).shape[:2] for record in spread], axis=0)
    height, width = (round(float(side)) for side in sizes)
    outputs = len(domain.classes) + 1 if plan.run.types else 1
    found = plan_windows(height, width, len(records), outputs=outputs)
    chosen = {"tile": found.side} if windows.batch else {"tile": found.side, "batch": found.batch}
    config = type(plan.config).model_validate({**plan.config.model_dump(), **chosen})
    said = ", ".join(f"{name} {value}" for name, value in chosen.items())
    note = f"{said}: planned from {len(records)} training images of {height} x {width} px (median)"
    origins = {**plan.origins, **dict.fromkeys(chosen, ORIGIN)}
    return replace(plan, config=config, origins=origins), note


def narrow_windows(method: Method, tile: int) -> list[str]:
    """A line where less than half of a training window's side comes out of the network."""
    segmenter = method.segmenter() if isinstance(method, Adapter) else method
    if not isinstance(segmenter, Segmenter) or 2 * segmenter.sizes.shrink <= tile:
        return []
    left, half = tile - segmenter.sizes.shrink, segmenter.sizes.fit(2 * segmenter.sizes.shrink)
    text = f"of windows of {tile} px only the middle {left} x {left} px train the network"
    return [f"{text}; a larger --tile, {half} or more, wastes less"]
