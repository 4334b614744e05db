"""A training step on the CPU beside a plain loop over the same network: what the method adds.

The plain step is the least that any code must do: forward, backward of the mean of the outputs, and
Adam; no targets and no loss of the paper.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

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


def test_a_step_of_mani_on_labels_beside_the_way_of_hovernet(beside):
    """A step of a HoVer-Net without types, in fast mode, as its release works: targets nucleus by
    nucleus from the whole picture, losses over channels that stand last, and each of them read at
    once. The network is ours in both, as theirs is no package; nearly all of the time is its.
    """
    seed_everything(0)
    step = mani("hovernet", 256)[0].step
    batch = feed(Feed.LABELLED, 256)
    theirs = released_step(batch)
    assert float(step(batch)["seg"]) == pytest.approx(theirs()[-1], rel=1e-4)
    beside(lambda: step(batch), theirs, name="HoVer-Net's own way", goal=1, rounds=1)


def mani(network, side=SIDE):
    """The phases of the method, its networks ready to train."""
    spec = find_method("mani")
    seed_everything(0)
    config = spec.config(network=network, tile=side, batch=1)
    method = spec.load().build(config, context(side))
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


def context(side=SIDE):
    return RunContext(open_machine("cpu", "32"), tile=side)


def feed(kind, side=SIDE):
    settings = FeedSettings(batch=1, side=side, augment="none", seed=0)
    return next(made_up_feeds(torch.device("cpu"), settings).open(kind, 0))


def released_step(batch):
    """A step on a batch of one, built from the description of HoVer-Net's release."""
    seed_everything(0)
    given = context(256)
    module = given.network("hovernet", given.channels, given.outputs).module.train()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-4, betas=(0.9, 0.999))

    def step():
        truth, distances = released_targets(batch.ids[0].numpy(), 164)
        maps = module(batch.images)
        nuclei, hv = (maps[name].permute(0, 2, 3, 1).contiguous() for name in ("np", "hv"))
        optimiser.zero_grad()
        one_hot = functional.one_hot(truth.long(), 2).float()
        terms = [
            entropy(nuclei.softmax(-1), one_hot),
            dice(nuclei.softmax(-1), one_hot),
            (hv - distances).square().mean(),
            slopes(hv, distances, truth),
        ]
        total = sum(terms)
        total.backward()
        optimiser.step()
        return [term.item() for term in (*terms, total)]

    return step


def released_targets(ids, side):
    """The foreground [1 side side] and the distances [1 side side 2], nucleus by nucleus."""
    cut = slice((len(ids) - side) // 2, (len(ids) + side) // 2)
    found = np.zeros((*ids.shape, 2), np.float32)
    for number in np.unique(ids)[1:]:
        inside = ids == number
        if inside[cut, cut].sum() < 30:
            continue
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        own = inside[box]
        for axis, centre in enumerate(ndimage.center_of_mass(own)):
            place = np.arange(1, own.shape[axis] + 1) - int(centre + 0.5)
            spread = np.where(own, np.expand_dims(place, 1 - axis), 0).astype(np.float32)
            for part in (spread < 0, spread > 0):
                if part.any():
                    spread[part] /= np.abs(spread[part]).max()
            found[(*box, 1 - axis)][own] = spread[own]
    return torch.from_numpy(ids[cut, cut] > 0)[None], torch.from_numpy(found[cut, cut])[None]


def entropy(shares, truth):
    shares = (shares / shares.sum(-1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    return -(truth * shares.log()).sum(-1).mean()


def dice(shares, truth):
    axes = (0, 1, 2)
    shared, whole = (shares * truth).sum(axes), shares.sum(axes) + truth.sum(axes)
    return (1 - (2 * shared + 1e-3) / (whole + 1e-3)).sum()


def slopes(hv, distances, inside):
    """The squared difference of the derivatives in nuclei."""
    place = torch.arange(-2.0, 3.0)
    down, right = torch.meshgrid(place, place, indexing="ij")
    squares = down.square() + right.square() + 1e-15
    error = 0
    for channel, along in enumerate((down, right)):
        kernel = (along / squares)[None, None]
        ours, theirs = (
            functional.conv2d(maps[..., channel][:, None], kernel, padding=2)[:, 0]
            for maps in (hv, distances)
        )
        error = error + ((ours - theirs).square() * inside).sum()
    return error / (2 * inside.sum() + 1e-8)
