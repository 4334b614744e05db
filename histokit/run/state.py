"""What a saved state of a run holds, and how a method takes it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from histokit.errors import DataError, UsageError
from histokit.interfaces import Method, Stateful
from histokit.io.runs import RunFolder
from histokit.run.machine import Machine
from histokit.training.seed import restore_generators
from histokit.training.sharding import spread_like, whole
from histokit.training.updater import Updater


def state_of(
    method: Method,
    step: int,
    best: Mapping[str, Any],
    generators: Sequence[Mapping[str, Any]],
    own: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """All that a run goes on from: `generators` has the random numbers of each process, `own`,
    where there are several, what `own_of` gave in each. Where weights are spread over processes,
    all of them must ask.
    """
    stateful = {name: whole(item.state_dict()) for name, item in method.stateful().items()}
    state = {"step": step, "best": best, "stateful": stateful, "generators": list(generators)}
    return {**state, "own": list(own)} if own else state


def own_of(method: Method) -> dict[str, dict[str, Any]]:
    """What differs between processes that hold the same weights: buffers of networks, such as
    statistics of the batches met, and what is neither a network nor an updater, such as images
    kept.
    """
    found = {}
    for name, item in method.stateful().items():
        if isinstance(item, Updater):
            continue
        shared: set[str] = set()
        if isinstance(item, nn.Module):
            shared = {path for path, _ in item.named_parameters(remove_duplicate=False)}
        found[name] = {k: v for k, v in item.state_dict().items() if k not in shared}
    return found


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
        own = state["own"][rank] if rank else {}
        for name, item in method.stateful().items():
            _put(item, state["stateful"][name], own.get(name, {}))
        restore_generators(state["generators"][rank])
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise DataError(
            f"{run.last} does not fit the method",
            found=f"{type(error).__name__}: {str(error).splitlines()[-1].strip()}",
            hint="it was made by another version of the plugin; train anew",
        ) from error


def _put(item: Stateful, state: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Restores one thing with what this process has of its own; weights that are spread over
    processes take their parts. The state is changed in place: torch keeps notes on it.
    """
    state.update(own)
    if isinstance(item, nn.Module):
        now = item.state_dict()
        state.update({key: spread_like(value, now.get(key)) for key, value in state.items()})
    item.load_state_dict(state)
