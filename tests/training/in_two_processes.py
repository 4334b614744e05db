"""Run by torchrun on two processes: what they reach together beside what one reaches alone.

Argument: folder. Each process writes what it found as ``rank0.json`` and ``rank1.json``.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import torch
from torch import nn

from histokit.errors import NonFiniteLoss
from histokit.run.machine import Machine, open_machine
from histokit.training.batchnorm import synchronise_batchnorm
from histokit.training.sharding import spread, spread_like, whole
from histokit.training.updater import NonFiniteElsewhere, Updater

STEPS = 4


def _images(step):
    """The batch of both processes."""
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))


def _mine(images, machine):
    return images.chunk(machine.world)[machine.rank]


def _network(*, norm=False, momentum=0.1):
    torch.manual_seed(7)
    middle = [nn.BatchNorm2d(8, momentum=momentum)] if norm else []
    # a bias before a norm has no gradient but rounding, which Adam would blow up
    first, last = nn.Conv2d(3, 8, 3, bias=not norm), nn.Conv2d(8, 3, 3, padding=2)
    return nn.Sequential(first, *middle, nn.Tanh(), last)


def _apart(a, b):
    """The largest difference between two networks, buffers included."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float((x.double() - y.double()).abs().max()) for x, y in pairs)


def _both(machine, train, network):
    """How far two processes end from one with twice the batch."""
    together, alone = copy.deepcopy(network), copy.deepcopy(network)
    train(together, machine.mean, lambda images: _mine(images, machine))
    train(alone, None, lambda images: images)
    return _apart(together, alone)


def _plainly(network, reduce, share):
    updater = Updater([network], 0.01, reduce=reduce, clip=0.5)
    for step in range(STEPS):
        updater.update(network(share(_images(step))).square().mean())


def _as_players(players, reduce, share):
    """A generator against a critic, with a penalty on the critic's gradient."""
    made, judged = (Updater([player], 0.01, reduce=reduce) for player in players)
    for step in range(STEPS):
        images = share(_images(step)).requires_grad_()
        generator, critic = players
        fake = generator(images)
        slope = torch.autograd.grad(critic(images).sum(), images, create_graph=True)[0]
        gap = critic(fake.detach()).mean() - critic(images).mean()
        judged.update(gap + slope.square().mean())
        made.update(-critic(fake).mean() + (fake - images).abs().mean())


def _with_norms(network, reduce, share):
    if reduce is not None:
        synchronise_batchnorm([network])
    _plainly(network, reduce, share)


def _norms_apart(machine, momentum):
    return _both(machine, _with_norms, _network(norm=True, momentum=momentum))


def _one_lacks_a_gradient(machine):
    """The gradients of two weights: one that only the second process met, and one of neither."""
    used, idle = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    always = nn.Linear(1, 1, bias=False)
    updater = Updater([used, idle, always], 0.0, reduce=machine.mean)
    extra = used.weight.sum() * 6 if machine.rank else 0.0
    updater.update(always.weight.sum() + extra)
    return [None if m.weight.grad is None else m.weight.grad.item() for m in (used, idle, always)]


def _not_finite(machine):
    """The kind of the error, and whether weights moved, where only the second loss is NaN."""
    network = _network()
    before = copy.deepcopy(network)
    updater = Updater([network], 0.1, reduce=machine.mean)
    try:
        updater.update(network(_images(0)).mean() * (float("nan") if machine.rank else 1.0))
    except NonFiniteLoss as error:
        return [type(error) is NonFiniteElsewhere, _apart(before, network)]
    return None


def _spread(machine: Machine):
    """Spread weights: distance to one process, parts kept, and a state that goes on elsewhere."""
    alone, network = _network(), _network()
    _plainly(alone, None, lambda images: images)
    updater = Updater([network], 0.01, reduce=machine.mean, clip=0.5)
    updater.adopt(spread([network], "cpu"))
    for step in range(STEPS - 1):
        with torch.inference_mode():
            network.eval()
            network(_images(step))
        network.train()
        updater.update(network(_mine(_images(step), machine)).square().mean())
    kept = sum(p.to_local().numel() for p in network.parameters())
    saved = whole(network.state_dict()), whole(updater.state_dict())
    ended = [_gone_on(saved, alone, None), _gone_on(saved, alone, machine)]
    plain = all(type(value) is torch.Tensor for value in saved[0].values())
    return {"ended": ended, "kept": kept, "plain": plain}


def _gone_on(saved, alone, machine):
    """How far from `alone` a saved state ends after the last step, in one process or spread."""
    weights, rates = copy.deepcopy(saved)
    network = _network()
    updater = Updater([network], 0.01, clip=0.5, reduce=machine and machine.mean)
    images = _images(STEPS - 1)
    if machine:
        updater.adopt(spread([network], "cpu"))
        images = _mine(images, machine)
    now = network.state_dict()
    network.load_state_dict({key: spread_like(value, now[key]) for key, value in weights.items()})
    updater.load_state_dict(rates)
    updater.update(network(images).square().mean())
    ended = whole(network.state_dict())
    return max(float((ended[key] - v).abs().max()) for key, v in alone.state_dict().items())


def _shared(machine):
    """Whether the second process has the first one's weights, in any layout and type."""
    torch.manual_seed(machine.rank)
    network = _network(norm=True).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(machine.rank)
    machine.share([network])
    return _apart(network, _network(norm=True))


def main(folder: Path):
    machine = open_machine("cpu", threads=1)
    players = nn.ModuleList([_network(), _network()])
    found = {
        "mean loss": _both(machine, _plainly, _network()),
        "players": _both(machine, _as_players, players),
        "norms": _norms_apart(machine, 0.1),
        "norms on average": _norms_apart(machine, None),
        "lacking": _one_lacks_a_gradient(machine),
        "not finite": _not_finite(machine),
        "spread": _spread(machine),
        "shared": _shared(machine),
        "means": machine.means({"both": 1.0 + machine.rank, f"own {machine.rank}": 5.0}),
        "anywhere": [machine.anywhere(machine.rank == 1), machine.anywhere(False)],
        "gathered": machine.gathered(machine.rank),
    }
    (folder / f"rank{machine.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
