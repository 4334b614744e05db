"""Which methods can be trained with weights spread over processes, and the spreading."""

from __future__ import annotations

from histokit.errors import UsageError
from histokit.interfaces import Method, MethodSpec
from histokit.run.machine import Machine
from histokit.run.models import networks_of
from histokit.training.ema import Ema
from histokit.training.sharding import spread
from histokit.training.updater import Updater


def spread_weights(spec: MethodSpec, method: Method, machine: Machine) -> None:
    """Spreads the weights that a method trains over all processes, for ``--strategy fsdp``.

    Raises UsageError for a method of several players, or with an average of its weights: a
    network is whole only within its own `forward`, which such methods go round.
    """
    stateful = method.stateful()
    updaters = [item for item in stateful.values() if isinstance(item, Updater)]
    averages = [name for name, item in stateful.items() if isinstance(item, Ema)]
    if len(updaters) != 1 or averages:
        raise UsageError(
            f"{spec.name} cannot be trained with --strategy fsdp",
            expected="a method with one optimiser and without averaged weights, as source-only",
            found=f"optimisers: {len(updaters)}; averages: {', '.join(averages) or 'none'}",
            hint="--strategy ddp, which every method can be trained with",
        )
    trained = {id(p) for p in updaters[0].parameters}
    networks = [
        network
        for network in networks_of(stateful).values()
        if trained & {id(p) for p in network.parameters()}
    ]
    updaters[0].adopt(spread(networks, machine.device.type))
