"""What travels with weights: the card of the file and the model card for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from histokit import __version__
from histokit.interfaces import Method, MethodSpec
from histokit.io.runs import RunFolder
from histokit.run.context import context_of
from histokit.run.domains import Domain
from histokit.run.machine import Machine
from histokit.run.plan import RunPlan
from histokit.run.probe import probe


def weights_card(
    plan: RunPlan,
    run: RunFolder,
    method: Method,
    machine: Machine,
    domains: Mapping[str, Domain],
    best: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON card of a weights file: all that is needed to use it and to judge it."""
    context = context_of(plan, machine, domains)
    preset = plan.spec.presets.get(plan.preset)
    return {
        "method": plan.spec.name,
        "preset": plan.preset,
        "settings": plan.config.model_dump(mode="json"),
        "run": run.id,
        "digest": plan.digest(),
        "histokit": __version__,
        "tile": context.tile,
        "channels": context.channels,
        "encoder": context.encoder,
        "mpp": domains["target"].mpp if "target" in domains else context.mpp,
        "stain_in": preset.stain_in if preset else "",
        "stain_out": preset.stain_out if preset else "",
        "classes": list(context.classes),
        "data": {role: domain.name for role, domain in domains.items()},
        "data_licences": {d.spec.name: d.spec.licence for d in domains.values()},
        "seed": plan.run.seed,
        "selection": plan.run.selection,
        "kept": dict(best),
        "probe": probe(method, machine.device),
    }


def model_card(spec: MethodSpec, card: Mapping[str, Any]) -> str:
    """The card as Markdown, for people."""
    kept = card["kept"]
    score = "" if kept.get("score") is None else f", {kept['what']} {kept['score']:.4f}"
    data = ", ".join(f"{role}: {name}" for role, name in card["data"].items()) or "none"
    licences = "; ".join(f"{name}: {text}" for name, text in card["data_licences"].items())
    lines = [
        f"# {spec.name}: {spec.summary}",
        "",
        f"- Data: {data}",
        f"- Licence of the data: {licences or 'none'}",
        f"- Pixel size: {card['mpp'] or 'unknown'} µm",
        f"- Weights kept: step {kept.get('step')}{score}; rule: {card['selection']}",
        f"- Seed {card['seed']}, settings {card['digest'][:8]}, histokit {card['histokit']}",
        "",
        "Research use; not a medical device.",
    ]
    if spec.reference:
        lines += ["", "```bibtex", spec.reference.strip(), "```"]
    return "\n".join(lines) + "\n"
