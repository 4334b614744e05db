"""`histokit train METHOD --base A --novel B --novel-batches 10,20,30`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from histokit.cli import console
from histokit.cli.evaluate import interval, number
from histokit.cli.events import shown
from histokit.cli.options import CommonFlags
from histokit.cli.sweep import cells_json, means_json, require_all
from histokit.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from histokit.interfaces.spec import MethodSpec
    from histokit.run.addition import Addition


def wants_addition(flags: CommonFlags) -> bool:
    """Whether any of the options of an addition was typed."""
    return any(value is not None for value in (flags.base, flags.novel_batches, flags.arms))


def add(
    spec: MethodSpec, values: dict[str, Any], run_values: dict[str, Any], flags: CommonFlags
) -> None:
    """Trains every arm with every number of novel images, and tells the result."""
    from histokit.run.addition import NOVEL, Wanted, plan_addition

    counts = parse_counts(flags.novel_batches or "")
    given = {"--base": flags.base, f"--{NOVEL}": values.get(NOVEL), "--novel-batches": counts}
    missing = [name for name, value in given.items() if not value]
    if missing and NOVEL in spec.config.model_fields:
        raise UsageError(
            f"{' and '.join(missing)} missing",
            expected=f"histokit train {spec.name} --base A --{NOVEL} B --novel-batches 10,20,30",
        )
    wanted = Wanted(
        spec,
        flags.base or "",
        str(values.get(NOVEL, "")),
        counts,
        arms=tuple(arm.strip() for arm in (flags.arms or "").split(",") if arm.strip()),
        preset=flags.preset or "",
        file=flags.config,
        sets=flags.set,
        method_values=values,
        run_values=run_values,
    )
    addition = plan_addition(wanted)
    if flags.dry_run:
        _show(addition, json=flags.json)
        return
    for _ in shown(addition.go()):
        pass
    _tell(addition, addition.write(), json=flags.json)


def parse_counts(text: str) -> tuple[int, ...]:
    """``10,20,30`` as numbers. Raises UsageError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            f"--novel-batches {text} are no numbers of images", hint="--novel-batches 10,20,30"
        )
    return tuple(int(part) for part in parts)


def _show(addition: Addition, *, json: bool) -> None:
    cells = [{"training": str(cell), "digest": cell.plan.digest()} for cell in addition.sweep.cells]
    if json:
        console.result_json({"out": addition.out, "cells": cells})
        return
    console.table([[c["training"], c["digest"][:12]] for c in cells], ["training", "settings"])
    console.result(f"would write to {addition.out}")


def _tell(addition: Addition, page: Path, *, json: bool) -> None:
    if json:
        console.result_json(as_json(addition, page))
    else:
        rows = []
        for point in addition.points():
            dice = point.summaries.get("dice")
            cells = [number(dice.mean), interval(dice.low, dice.high)] if dice else [None, None]
            rows.append([point.added, point.arm, *cells, f"{point.seeds}/{point.asked}", point.n])
        console.table(rows, ["added", "arm", "dice", "95 % interval", "seeds", "images"])
        console.result(f"page: {page}")
    require_all(addition.sweep)


def as_json(addition: Addition, page: Path) -> dict[str, Any]:
    """An addition as the machine-readable result."""
    return {
        "page": page,
        **cells_json(addition.sweep),
        "points": [
            {
                "arm": point.arm,
                "added": point.added,
                "seeds": point.seeds,
                "images": point.n,
                "metrics": means_json(point.summaries),
            }
            for point in addition.points()
        ],
    }
