"""The updater changes its own weights only, and nothing when a loss is not finite."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from histokit.errors import NonFiniteLoss
from histokit.training.updater import NonFiniteElsewhere, Updater, average_gradients


def _pair():
    torch.manual_seed(0)
    return nn.Linear(3, 3), nn.Linear(3, 1)


def test_update_leaves_other_players_alone():
    generator, critic = _pair()
    before = copy.deepcopy(critic.state_dict())
    Updater([generator], 0.1).update(critic(generator(torch.ones(2, 3))).sum())
    assert critic.weight.grad is None
    assert all(torch.equal(before[k], v) for k, v in critic.state_dict().items())


@pytest.mark.parametrize(
    ("optimiser", "reference", "how"),
    [
        ("adam", torch.optim.Adam, {"betas": (0.5, 0.9), "weight_decay": 0.1}),
        ("adamw", torch.optim.AdamW, {"betas": (0.5, 0.9), "weight_decay": 0.1}),
        ("sgd", torch.optim.SGD, {"momentum": 0.99, "nesterov": True, "weight_decay": 0.1}),
    ],
)
def test_update_is_the_plain_optimiser(optimiser, reference, how):
    ours, theirs = _pair()[0], _pair()[0]
    updater = Updater([ours], 0.01, optimiser=optimiser, betas=(0.5, 0.9), weight_decay=0.1)
    plain = reference(theirs.parameters(), lr=0.01, **how)
    for step in range(3):
        images = torch.full((2, 3), float(step))
        updater.update(ours(images).square().sum())
        plain.zero_grad()
        theirs(images).square().sum().backward()
        plain.step()
    assert torch.equal(ours.weight, theirs.weight)


def test_together_is_one_adam_over_both():
    (a, b), (c, d) = _pair(), _pair()
    images = torch.ones(2, 3)
    two = [Updater([a], 0.1), Updater([b], 0.1)]
    Updater.together(b(a(images)).sum(), two)
    Updater([c, d], 0.1).update(d(c(images)).sum())
    assert torch.equal(a.weight, c.weight)
    assert torch.equal(b.weight, d.weight)
    assert [u.count for u in two] == [1, 1]


class _NoRoom(torch.autograd.Function):
    """Gives back what it gets; its gradient does not fit."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate much")


def test_memory_that_runs_out_halfway_changes_no_weight():
    """The gradient of the critic is there when that of the generator fails."""
    generator, critic = _pair()
    players = [Updater([generator], 0.1), Updater([critic], 0.1)]
    before = copy.deepcopy([generator.state_dict(), critic.state_dict()])
    with pytest.raises(torch.OutOfMemoryError):
        Updater.together(critic(_NoRoom.apply(generator(torch.ones(2, 3)))).sum(), players)
    for player, module, old in zip(players, (generator, critic), before, strict=True):
        assert player.count == 0
        assert not player.optimiser.state
        assert all(torch.equal(old[k], v) for k, v in module.state_dict().items())


def test_frozen_parameters_stay_put():
    network, head = _pair()
    network.requires_grad_(False)
    before = network.weight.clone()
    Updater([network, head], 0.1).update(head(network(torch.ones(1, 3))).sum())
    assert torch.equal(before, network.weight)


def test_non_finite_loss_changes_nothing():
    network, _ = _pair()
    updater = Updater([network], 0.1)
    before = network.weight.clone()
    with pytest.raises(NonFiniteLoss, match="nan"):
        updater.update(network(torch.full((1, 3), torch.nan)).sum())
    assert torch.equal(before, network.weight)
    assert updater.count == 0


def test_schedule_scales_the_rate_and_survives_a_restart():
    network, _ = _pair()
    updater = Updater([network], 1.0, schedule=lambda step: 0.5**step)
    for _ in range(3):
        updater.update(network(torch.ones(1, 3)).sum())
    assert updater.optimiser.param_groups[0]["lr"] == 0.25
    other = Updater([network], 1.0, schedule=lambda step: 0.5**step)
    other.load_state_dict(updater.state_dict())
    other.update(network(torch.ones(1, 3)).sum())
    assert other.optimiser.param_groups[0]["lr"] == 0.125


def test_clip_bounds_the_gradient():
    network, _ = _pair()
    Updater([network], 0.1, clip=0.5).update(100 * network(torch.ones(1, 3)).sum())
    norm = torch.stack([p.grad.norm() for p in network.parameters()]).norm()
    assert norm <= 0.5 + 1e-6


def test_reduce_sees_every_gradient_once():
    network, _ = _pair()
    seen = []
    updater = Updater([network], 0.1, reduce=lambda flat: seen.append(flat.numel()) or flat * 0)
    before = network.weight.clone()
    updater.update(network(torch.ones(1, 3)).sum())
    assert seen == [1, 14]  # the loss; then weights, biases and that both have a gradient
    assert torch.equal(before, network.weight)  # no process had a gradient


def test_gradients_become_the_mean_and_those_of_nobody_stay_away():
    """The other process has a gradient of 3 for the second weight, and none for the third."""
    weights = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    weights[0].grad = torch.tensor([1.0, 5.0])
    other = torch.tensor([3.0, 1.0, 3.0, 3.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    average_gradients(weights, lambda flat: (flat + other) / 2)
    assert [None if w.grad is None else w.grad.tolist() for w in weights] == [
        [2.0, 3.0], [1.5, 1.5], None,
    ]  # fmt: skip


def test_a_loss_of_another_process_stops_this_one():
    network, _ = _pair()
    updater = Updater([network], 0.1, reduce=lambda value: value + torch.nan)
    with pytest.raises(NonFiniteElsewhere):
        updater.update(network(torch.ones(1, 3)).sum())
    assert updater.count == 0
