"""A training step on the CPU beside a plain loop over the same network: what the method adds.

The plain step is the least that any code must do: forward, backward of the mean of the outputs, and
Adam; no targets and no loss of the paper.
"""

from __future__ import annotations

import pytest
import torch

from histokit.data.feeds import FeedSettings
from histokit.interfaces import Feed
from histokit.registry.methods import find_method
from histokit.run.context import RunContext
from histokit.run.costs.made_up import made_up_feeds
from histokit.run.machine import open_machine
from histokit.training.seed import seed_everything

SIDE = 128
AT_MOST = 1 / 1.1
"""Our step takes at most 1.1 times the plain one."""


@pytest.mark.parametrize("network", ["unet", "hovernet-same"])
def test_a_step_of_mani_on_labels(beside, network):
    step = mani(network)[0].step
    batch = feed(Feed.LABELLED)
    beside(
        lambda: step(batch),
        plain(network, [batch.images]),
        name="torch alone",
        goal=AT_MOST,
        rounds=3,
    )


def test_a_step_of_mani_that_adapts_unet(beside):
    step = mani("unet")[1].step
    batch = feed(Feed.SOURCE_TARGET)
    both = [batch.source.images, batch.target.images]
    beside(lambda: step(batch), plain("unet", both), name="torch alone", goal=AT_MOST, rounds=3)


def mani(network):
    """The phases of the method, its networks ready to train."""
    spec = find_method("mani")
    seed_everything(0)
    config = spec.config(network=network, tile=SIDE, batch=1)
    method = spec.load().build(config, context())
    method.stateful()["network"].train()
    return method.phases()


def plain(network, images):
    """A step of torch alone on some images, each a pass of its own."""
    seed_everything(0)
    given = context()
    module = given.network(network, given.channels, given.outputs).module.train()
    optimiser = torch.optim.Adam(module.parameters())

    def step():
        optimiser.zero_grad()
        sum(mean(module(each)) for each in images).backward()
        optimiser.step()

    return step


def mean(output):
    """Of all maps of a network, whatever holds them."""
    maps = output.values() if isinstance(output, dict) else [output]
    return sum(each.square().mean() for each in maps)


def context():
    return RunContext(open_machine("cpu", "32"), tile=SIDE)


def feed(kind):
    settings = FeedSettings(batch=1, side=SIDE, augment="none", seed=0)
    return next(made_up_feeds(torch.device("cpu"), settings).open(kind, 0))
