"""Losses and learning rates against reference values."""

from __future__ import annotations

import pytest
import torch

from histokit_syndiff_pl.annealing import cosine
from histokit_syndiff_pl.losses import (
    GeneratorTerms,
    called_made,
    called_real,
    gradient_penalty,
    mean_difference,
)


def test_adversarial_losses(vector):
    case = vector("softplus_gan")
    for k, logit in enumerate(case["logits"]):
        real, made = case["softplus_of_minus_logit"][k], case["softplus_of_logit"][k]
        assert float(called_real(torch.tensor([logit]))) == pytest.approx(real, rel=1e-6)
        assert float(called_made(torch.tensor([logit]))) == pytest.approx(made, rel=1e-6)
    patches = torch.tensor(case["logits"])[None, None]
    mean = sum(case["softplus_of_minus_logit"]) / len(case["logits"])
    assert float(called_real(patches)) == pytest.approx(mean, rel=1e-6)


def test_penalty_of_a_linear_critic(vector):
    case = vector("r1_linear")
    weights = torch.tensor(case["w"])
    images = torch.randn(case["batch"], 1, 2, 2)
    found = gradient_penalty(lambda x: (weights * x).sum((1, 2, 3)), images, case["gamma"])
    assert float(found) == pytest.approx(case["expected_penalty"], rel=1e-6)


def test_penalty_is_proportional_to_gamma_and_trains_the_critic():
    layer = torch.nn.Conv2d(1, 2, 3)
    images = torch.randn(2, 1, 5, 5)

    def critic(x):
        return torch.tanh(layer(x)).sum((1, 2, 3))

    one, two = (gradient_penalty(critic, images, gamma) for gamma in (1.0, 2.0))
    assert float(two.detach()) == pytest.approx(2 * float(one.detach()))
    one.backward()
    assert float(layer.weight.grad.abs().max()) > 0
    assert not images.requires_grad


def test_generators_total(vector):
    case = vector("generator_total")
    terms = [
        GeneratorTerms(*(torch.tensor(case["inputs"][name][k]) for name in NAMES)) for k in (0, 1)
    ]
    assert float((terms[0] + terms[1]).total(case["lam"])) == pytest.approx(case["expected"])


NAMES = ("cyc", "l1_diffusive", "adv_diffusive", "adv_cycle")


def test_difference_is_a_mean():
    assert float(mean_difference(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2) * 3)) == 3


@pytest.mark.parametrize("who", ["generator", "discriminator"])
def test_learning_rates(vector, who):
    case = vector("cosine_lr")
    base = case[f"{who}_base"]
    factor = cosine(base, 1e-5, steps=501 * 126, epoch_steps=126)
    for epoch, expected in case[who].items():
        first = int(epoch) * 126
        assert base * factor(first) == pytest.approx(expected, rel=1e-8)
        assert factor(first + 125) == factor(first)
    assert factor(10**6) == factor(500 * 126)


def test_rates_of_one_step_do_not_fall():
    assert cosine(1e-3, 1e-5, steps=1, epoch_steps=126)(0) == 1
