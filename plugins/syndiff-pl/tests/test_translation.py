"""SynDiff as a whole: the order of its updates, its gradients and its translations."""

from __future__ import annotations

import contextlib
import copy
import types

import pytest
import torch

import histokit_syndiff_pl.translation as module
from histokit.errors import DataError
from histokit.training.ema import Ema
from histokit_syndiff_pl.translation import follow, to_images, to_pictures

NETWORKS = ("denoiser", "translator", "critic", "patch_critic")


def trained(build, batch, steps=1, **settings):
    method = build(**settings)
    phase = method.phases()[0]
    channels = settings.get("channels", 1)
    torch.manual_seed(5)
    losses = [phase.step(batch(seed, channels=channels)) for seed in range(steps)]
    return method, losses


def weights(method, *kinds):
    state = method.stateful()
    return {
        f"{kind}_{name}.{key}": value.clone()
        for kind in kinds or NETWORKS
        for name in "lu"
        for key, value in state[f"{kind}_{name}"].named_parameters()
    }


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def stir(method):
    """Weights that let everything through; at the start the denoisers give nearly nothing."""
    torch.manual_seed(3)
    with torch.no_grad():
        for kind in NETWORKS:
            for name in "lu":
                for parameter in method.stateful()[f"{kind}_{name}"].parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))


def pictures(batch, seed=1):
    pair = batch(seed)
    return {"l": to_pictures(pair.source.images), "u": to_pictures(pair.target.images)}


def reached(method):
    """The networks that have a gradient which is not zero."""
    found = set()
    for kind in NETWORKS:
        for name in "lu":
            for parameter in method.stateful()[f"{kind}_{name}"].parameters():
                if parameter.grad is not None and parameter.grad.abs().max() > 0:
                    found.add(f"{kind}_{name}")
    return found


# a step


def test_a_step_trains_all_networks_and_logs_scalars(build, batch):
    before = weights(build())
    method, (losses,) = trained(build, batch)
    after = weights(method)
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {f"{kind}_{name}" for kind in NETWORKS for name in "lu"}
    assert set(losses) == {"critic", "patch_critic", "cycle", "recover", "fool", "fool_patches"}
    assert all(value.ndim == 0 and not value.requires_grad for value in losses.values())


def test_critics_are_updated_before_the_generators_see_them(build, batch):
    method = build()
    state, seen = method.stateful(), []
    for player in ("generators", "critics", "patch_critics"):
        own = state[player]

        def update(loss, *, player=player, real=own.update):
            seen.append((player, weights(method, "critic"), weights(method, "patch_critic")))
            real(loss)

        own.update = update
    before = weights(method, "critic"), weights(method, "patch_critic")
    method.phases()[0].step(batch())
    assert [player for player, *_ in seen] == ["critics", "patch_critics", "generators"]
    assert same(seen[0][1], before[0])
    assert not same(seen[2][1], before[0])
    assert not same(seen[2][2], before[1])


def test_fresh_noise_for_the_generators_and_the_penalty_on_real_images(build, batch, monkeypatch):
    drawn, penalised = [], []
    real_noised, real_penalty = module.Diffusion.noised, module.gradient_penalty

    def noised(self, clean):
        drawn.append(real_noised(self, clean))
        return drawn[-1]

    def penalty(critic, images, gamma):
        penalised.append(images)
        return real_penalty(critic, images, gamma)

    monkeypatch.setattr(module.Diffusion, "noised", noised)
    monkeypatch.setattr(module, "gradient_penalty", penalty)
    trained(build, batch)
    assert len(drawn) == 4
    assert not torch.equal(drawn[0].later, drawn[2].later)
    assert not torch.equal(drawn[1].later, drawn[3].later)
    assert not any(one.later.requires_grad or one.now.requires_grad for one in drawn)
    assert all(one is two.now for one, two in zip(penalised, drawn[:2], strict=True))


def test_guides_are_translations_of_the_images_to_recover(build, batch):
    method, images = build(), pictures(batch)
    state, seen = method.stateful(), []
    for name, other in (("l", "u"), ("u", "l")):
        guide = state[f"translator_{other}"](images[name]).detach()

        def look(_, inputs, guide=guide):
            seen.append(torch.equal(inputs[1], guide))

        state[f"denoiser_{name}"].register_forward_pre_hook(look)
    method.phases()[0].step(batch())
    assert seen == [True] * 4


def test_learning_rates_reach_their_least(build, batch):
    method = build(steps=3, epoch_steps=1)
    state = method.stateful()
    assert state["generators"].schedule(0) == 1
    assert state["generators"].lr * state["generators"].schedule(2) == pytest.approx(1e-5)
    assert state["critics"].lr * state["critics"].schedule(2) == pytest.approx(1e-5)
    state["critics"].count = 2
    method.phases()[0].step(batch())
    assert state["critics"].optimiser.param_groups[0]["lr"] == pytest.approx(1e-5)


# gradients


def terms_of(method, batch):
    real = pictures(batch)
    return method.translation.generator_terms(real, method.translation.translations(real))


def test_each_translator_runs_once_there_and_once_back(build, batch):
    method, runs = build(), []
    for name in ("l", "u"):
        network = method.stateful()[f"translator_{name}"]
        network.register_forward_hook(lambda *_, name=name: runs.append(name))
    method.translation.step(batch(1))
    assert runs == ["l", "u", "l", "u"]


def test_critics_steps_without_generator_gradients_change_nothing(build, batch, monkeypatch):
    shortcut, _ = trained(build, batch)
    graphs = types.SimpleNamespace(**{**vars(torch), "no_grad": contextlib.nullcontext})
    monkeypatch.setattr(module, "torch", graphs)
    whole, _ = trained(build, batch)
    left, right = weights(shortcut), weights(whole)
    assert all(torch.allclose(left[key], right[key], rtol=0, atol=1e-6) for key in left)


def test_denoising_trains_the_translators_but_no_critic(build, batch):
    method = build()
    stir(method)
    terms_of(method, batch).recover.backward()
    assert reached(method) == {"denoiser_l", "denoiser_u", "translator_l", "translator_u"}


@pytest.mark.parametrize(
    ("term", "kinds"),
    [
        ("cycle", {"translator"}),
        ("fool", {"denoiser", "translator", "critic"}),
        ("fool_patches", {"translator", "patch_critic"}),
    ],
)
def test_what_each_term_reaches(build, batch, term, kinds):
    method = build()
    stir(method)
    getattr(terms_of(method, batch), term).backward()
    assert {name.rpartition("_")[0] for name in reached(method)} == kinds


def test_second_output_channel_is_never_trained(build, batch):
    method = build()
    stir(method)
    method.phases()[0].step(batch())
    for name in "lu":
        gradient = method.stateful()[f"denoiser_{name}"].out.weight.grad
        assert float(gradient[0].abs().max()) > 0
        assert float(gradient[1].abs().max()) == 0


def test_penalty_is_due_at_steps_0_10_and_20(build, batch, monkeypatch):
    calls, method = [], build()
    critics = method.stateful()["critics"]

    def penalty(critic, images, gamma):
        calls.append((critics.count, gamma))
        return images.sum() * 0

    monkeypatch.setattr(module, "gradient_penalty", penalty)
    for done in (0, 1, 9, 10, 20):
        critics.count = done
        method.phases()[0].step(batch())
    assert calls == [(done, 1.0) for done in (0, 0, 10, 10, 20, 20)]


def test_penalty_changes_the_critics(build, batch):
    with_, without = (trained(build, batch, r1=r1)[0] for r1 in (1.0, 0.0))
    assert not same(weights(with_, "critic"), weights(without, "critic"))


# averages and state


def test_average_begins_after_the_first_step(vector):
    case = vector("ema")
    network = torch.nn.Linear(1, 1, bias=False)
    average = Ema(network, 0.999)
    for number, value in enumerate(case["params_after_each_step"]):
        network.weight.data.fill_(value)
        follow(average, network, first=number == 0)
        found = float(average.module.weight)
        assert found == pytest.approx(case["expected_shadow"][number], rel=1e-6)


def test_averages_are_the_weights_once_and_then_lag(build, batch):
    method = build()
    for equal in (True, False):
        method.phases()[0].step(batch())
        state = method.stateful()
        for name in ("denoiser_l", "translator_u"):
            own = dict(state[name].named_parameters())
            average = dict(state[f"average_{name}"].module.named_parameters())
            assert same(own, average) is equal


def test_everything_trained_is_stateful(build, batch):
    method, _ = trained(build, batch)
    other = build(seed=9)
    for name, part in method.stateful().items():
        other.stateful()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    for one in (method, other):
        torch.manual_seed(1)
        one.phases()[0].step(batch(7))
    assert same(weights(method), weights(other))
    images = batch(3).source.images
    assert torch.equal(method.translate(images), other.translate(images))


# batches, formats, colours


@pytest.mark.parametrize(("count", "channels"), [(3, 1), (2, 3)])
def test_batches_of_grey_and_colour(build, batch, count, channels):
    method = build(channels=channels, batch=count)
    method.phases()[0].step(batch(1, count, channels))
    images = batch(2, count, channels).source.images
    found = method.translate(images)
    assert method.channels == channels
    assert found.shape == images.shape


def test_mixed_precision(build, batch):
    method = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = method.phases()[0].step(batch())
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("on", [False, True])
def test_checkpointing_reaches_the_networks(build, on):
    state = build(checkpointing=on).stateful()
    assert all(state[f"{kind}_u"].checkpointing is on for kind in NETWORKS[:3])


def test_other_colours_are_refused(build, batch):
    for channels, told in ((1, "grey"), (3, "RGB")):
        method = build(channels=channels)
        wrong = batch(1, 1, 4 - channels)
        with pytest.raises(DataError) as caught:
            method.translate(wrong.source.images)
        assert told in caught.value.expected
        with pytest.raises(DataError):
            method.phases()[0].step(wrong)


# translation


def test_range(vector):
    case = vector("range")
    found = to_pictures(torch.tensor(case["uint8_in"]) / 255)
    torch.testing.assert_close(found, torch.tensor(case["normalised"]), rtol=0, atol=1e-6)
    values = to_images(torch.tensor(case["net_values"], dtype=torch.float64)) * 255
    assert values.floor().int().tolist() == case["uint8_out"]


@pytest.mark.parametrize("direction", ["l2u", "u2l"])
@pytest.mark.parametrize("sampler", ["diffusion", "one-shot"])
def test_direction_chooses_the_networks(build, batch, direction, sampler):
    method = build(direction=direction, sampler=sampler)
    kind = "denoiser" if sampler == "diffusion" else "translator"
    average = method.stateful()[f"average_{kind}_{direction[2]}"].module
    last = average.out if sampler == "diffusion" else average.grow[-1]
    last.bias.data.fill_(10)
    assert torch.allclose(method.translate(batch().source.images), torch.ones(1, 1, 64, 64))


def test_translation_is_repeatable_and_leaves_the_random_numbers_alone(build, batch):
    method = build()
    stir(method)
    state = method.stateful()
    for name in ("denoiser_l", "denoiser_u"):
        state[f"average_{name}"].module.load_state_dict(state[name].state_dict())
    images = batch(2, 3).source.images
    before = torch.get_rng_state()
    with torch.inference_mode():
        found = method.translate(images)
        assert torch.equal(found, method.translate(images))
        alone = method.translate(images[1:2])
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(found[1:2], alone, rtol=0, atol=1e-5)
    assert found.shape == images.shape
    assert 0 <= float(found.min()) < float(found.max()) <= 1


def test_seed_and_samples(build, batch):
    images = batch().source.images
    found = {}
    for name, settings in {
        "first": {"noise_seed": 1},
        "second": {"noise_seed": 2},
        "both": {"noise_seed": 1, "samples": 2},
    }.items():
        method = build(**settings)
        with torch.no_grad():
            torch.manual_seed(3)
            for parameter in method.stateful()["average_denoiser_u"].module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        found[name] = method.translate(images)
    assert not torch.allclose(found["first"], found["second"])
    middle = (found["first"] + found["second"]) / 2
    torch.testing.assert_close(found["both"], middle, rtol=0, atol=1e-6)


def test_sizes_are_what_the_networks_take(build):
    method = build(factors=(1, 2, 2, 2))
    assert (method.sizes.min, method.sizes.multiple_of) == (8, 8)
    for side in (8, 24, 40):
        assert method.sizes.allows(side)
        assert method.translate(torch.rand(1, 1, side, side)).shape[-1] == side
