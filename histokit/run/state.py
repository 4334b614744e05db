"""What a saved state of a run holds, and how a method takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from histokit.errors import DataError, UsageError
from histokit.interfaces import Method
from histokit.io.runs import RunFolder
from histokit.run.machine import Machine
from histokit.training.seed import restore_generators


def state_of(
    method: Method, step: int, best: Mapping[str, Any], generators: list[dict[str, Any]]
) -> dict[str, Any]:
    """All that a run goes on from: `generators` has the random numbers of each process."""
    stateful = {name: item.state_dict() for name, item in method.stateful().items()}
    return {"step": step, "best": best, "stateful": stateful, "generators": generators}


def require_whole(state: Mapping[str, Any], run: RunFolder, machine: Machine) -> None:
    """Raises DataError where a saved state lacks what a run goes on from, and UsageError where as
    many processes as made it are not there: each drew its own images.
    """
    lacking = {"step", "best", "stateful", "generators"} - state.keys()
    if lacking:
        raise DataError(
            f"{run.last} is not the state of a run",
            expected="step, best, stateful and generators",
            found=f"no {', '.join(sorted(lacking))}",
        )
    world = len(state["generators"])
    if world != machine.world:
        raise UsageError(
            f"{run.path} was trained by {world} processes",
            expected=f"{world} to go on with it",
            found=f"{machine.world}",
            hint=f"torchrun --nproc-per-node {world} -m histokit train … --resume {run.path}",
        )


def restore(method: Method, state: Mapping[str, Any], run: RunFolder, rank: int) -> None:
    """Puts back what `state_of` took. Raises DataError where it is of another kind of method."""
    try:
        for name, item in method.stateful().items():
            item.load_state_dict(state["stateful"][name])
        restore_generators(state["generators"][rank])
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise DataError(
            f"{run.last} does not fit the method",
            found=f"{type(error).__name__}: {str(error).splitlines()[-1].strip()}",
            hint="it was made by another version of the plugin; train anew",
        ) from error
