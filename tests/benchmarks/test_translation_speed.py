"""A training step of the translators on the CPU beside the same step in the order of the releases.

Networks and losses are ours in both, as the releases are no packages; what differs is which passes
there are. Full networks at small sides, batch 1.
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
from histokit.training.ema import Ema
from histokit.training.seed import seed_everything

FIRST = 0.05
"""Largest relative difference of the loss of the first step, for which noise is drawn anew."""


def test_a_step_of_mdcl_beside_the_order_of_cut(beside):
    """There each of four sets of features is a pass of its own, with a graph."""
    step, batch = built("mdcl", 128).phases()[0].step, drawn(Feed.PAIRED, 128, 3)
    theirs = order_of_cut(built("mdcl", 128), batch)
    assert float(step(batch)["generator"]) == pytest.approx(theirs(), rel=FIRST)
    beside(lambda: step(batch), theirs, name="CUT's own way", goal=1 / 0.9, rounds=2)


def test_a_step_of_syndiff_beside_the_order_of_its_release(beside):
    """There generators run anew for each critic, with graphs, and anomalies are looked for.

    The first step has the penalty, which one in ten has, and is not timed.
    """
    step, batch = built("syndiff-pl", 64).translation.step, drawn(Feed.UNPAIRED, 64, 1)
    theirs = order_of_syndiff(built("syndiff-pl", 64).translation, batch)
    assert float(step(batch)["cycle"]) == pytest.approx(theirs(), rel=FIRST)
    beside(lambda: step(batch), theirs, name="SynDiff's own way", goal=1 / 0.65, rounds=2)


def built(name, side):
    """A method that is ready to train, with the same weights each time."""
    spec = find_method(name)
    seed_everything(0)
    context = RunContext(open_machine("cpu", "32"), tile=side)
    return spec.load().build(spec.config(tile=side, batch=1), context)


def drawn(kind, side, channels):
    settings = FeedSettings(batch=1, side=side, augment="none", seed=0)
    feeds = made_up_feeds(torch.device("cpu"), settings, channels=channels)
    return next(feeds.open(kind, 0))


def adam(*networks, betas):
    return torch.optim.Adam([p for one in networks for p in one.parameters()], 2e-4, betas=betas)


def order_of_cut(method, batch):
    """A step of MDCL as its release does it."""
    from histokit_mdcl.losses import critic_terms, fooling_loss
    from histokit_mdcl.method import signed

    state = method.stateful()
    generator, heads, critic = (state[name] for name in ("generator", "heads", "critic"))
    optimisers = [adam(one, betas=(0.5, 0.999)) for one in (generator, heads, critic)]
    real_he, real_ihc = signed(batch.source.images), signed(batch.target.images)
    taps = method._config.taps

    def step():
        fake, same = generator(torch.cat((real_he, real_ihc)))[0].chunk(2)
        optimisers[2].zero_grad()
        (sum(critic_terms(critic(fake.detach()), critic(real_ihc))) / 2).backward()
        optimisers[2].step()
        critic.requires_grad_(False)
        for optimiser in optimisers[:2]:
            optimiser.zero_grad()
        he, made, ihc, kept = (
            generator.features(images, taps) for images in (real_he, fake, real_ihc, same)
        )
        loss = fooling_loss(critic(fake)) + method._contrast(made, he)
        loss = loss + method._contrast(kept, ihc) + method._contrast(made, ihc, method._uniform())
        loss = loss + method._config.pyramid_weight * method._pyramid(fake, real_ihc)
        loss.backward()
        for optimiser in optimisers[:2]:
            optimiser.step()
        critic.requires_grad_(True)
        return loss.item()

    return step


def order_of_syndiff(method, batch):
    """A step of SynDiff as its release does it, without the penalty."""
    from histokit_syndiff_pl.losses import called_made, called_real
    from histokit_syndiff_pl.players import OTHER
    from histokit_syndiff_pl.translation import to_pictures

    players = method._players
    critics = [one for own in players.values() for one in (own.critic, own.patch_critic)]
    generators = [one for own in players.values() for one in (own.denoiser, own.translator)]
    of_critics, of_generators = (
        [adam(n, betas=(0.5, 0.9)) for n in s] for s in (critics, generators)
    )
    averages = [Ema(network, 0.999) for network in generators]
    real = {"l": to_pictures(batch.source.images), "u": to_pictures(batch.target.images)}

    def clear(optimisers):
        for optimiser in optimisers:
            optimiser.zero_grad()

    def teach_critics():
        clear(of_critics)
        made = method.translations(real)
        for name, own in players.items():
            noised = method._diffusion.noised(real[name])
            called_real(own.critic(noised.now, noised.later, noised.steps)).backward()
            _, recovered = method._recover(name, noised, made[OTHER[name]])
            called_made(own.critic(recovered, noised.later, noised.steps)).backward()
        made = method.translations(real)
        for name, own in players.items():
            called_real(own.patch_critic(real[name])).backward()
            called_made(own.patch_critic(made[name])).backward()
        for optimiser in of_critics:
            optimiser.step()

    def step():
        with torch.autograd.set_detect_anomaly(True, check_nan=True):
            teach_critics()
            clear(of_generators)
            for critic in critics:
                critic.requires_grad_(False)
            terms = method.generator_terms(real, method.translations(real))
            terms.total(method._config.l1_weight).backward()
        for optimiser, average, network in zip(of_generators, averages, generators, strict=True):
            optimiser.step()
            for mean, weight in zip(average.module.parameters(), network.parameters(), strict=True):
                mean.mul_(0.999).add_(weight.detach(), alpha=0.001)
        for critic in critics:
            critic.requires_grad_(True)
        return terms.cycle.item()

    return step
