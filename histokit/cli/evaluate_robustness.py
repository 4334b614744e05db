"""What `histokit eval --perturb` tells: the scores at rising levels of each perturbation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from histokit.cli import console

if TYPE_CHECKING:
    from histokit.metrics.robustness import Robustness


def tell_robustness(found: Robustness) -> None:
    """Prints what is done at each level, mean and interval there, and the share that is lost."""
    from histokit.report.robustness import SHOWN, lines

    header = ["perturbation", "level"]
    for name in SHOWN:
        header += [name, "95 % interval", "drop"]
    console.result(f"\nrobustness (seed {found.seed})")
    console.table(lines(found), header)
    console.result("drop: share of the score at level 0; area: under the mean over levels 0 to 1")


def robustness_json(found: Robustness | None) -> dict[str, Any] | None:
    """All scores as the machine-readable result; None where nothing was perturbed."""
    from histokit.report.robustness import as_dict

    return None if found is None else as_dict(found)
