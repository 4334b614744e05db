"""How alpha moves, by the reference values and by its promises."""

from __future__ import annotations

import pytest
import torch

from histokit.training.updater import Updater
from histokit_fdloss.alphas import Alphas
from histokit_fdloss.config import FdLossConfig

FREE = {"alpha_mode": "descent", "alpha_free": True}
DOWN, UP = {"alpha_mode": "descent", "alpha_max": 1.0}, {"alpha_mode": "ascent", "alpha_max": 1.0}
RUNS = {
    "adam_descent_L-5_lr1e-3_100steps": (DOWN, -5.0),
    "adam_descent_L-0.5_lr1e-3_100steps": (DOWN, -0.5),
    "adam_descent_L+2_clamped": (DOWN, 2.0),
    "adam_descent_L+2_unclamped": (FREE, 2.0),
    "adam_ascent_L+2_clamped": (UP, 2.0),
}


def entry_of(vectors):
    return next(e for e in vectors("fdloss")["vectors"] if e["name"] == "alpha_dynamics")


def moved(distance, steps=100, lr=1e-3, **settings):
    """Where one alpha is after so many steps."""
    alphas = Alphas(1, FdLossConfig(**settings)).double()
    updater = Updater([alphas], lr)
    found = torch.tensor([distance], dtype=torch.float64)
    for _ in range(steps):
        alphas.begin()
        if alphas.learned:
            updater.update(alphas.objective(found))
        alphas.end()
    return alphas.values.item()


@pytest.mark.parametrize("name", RUNS)
def test_adam(vectors, name):
    entry = entry_of(vectors)
    settings, distance = RUNS[name]
    found = moved(distance, **settings)
    assert found == pytest.approx(entry["expected"][name], abs=entry["abs_tol"])


def test_sgd(vectors):
    entry = entry_of(vectors)
    alphas = Alphas(1, FdLossConfig(**DOWN)).double()
    optimiser = torch.optim.SGD(alphas.parameters(), lr=1e-3)
    for _ in range(100):
        optimiser.zero_grad()
        alphas.objective(torch.tensor([-5.0], dtype=torch.float64)).backward()
        optimiser.step()
    expected = entry["expected"]["sgd_descent_L-5_lr1e-3_100steps"]
    assert alphas.values.item() == pytest.approx(expected, abs=entry["abs_tol"])


def test_a_pull_gives_a_fixed_point(vectors):
    expected = entry_of(vectors)["expected"]
    settings = {"alpha_mode": "descent_reg", "alpha_pull": 2.0, "alpha_max": 1.0}
    found = moved(-0.5, steps=2000, lr=1e-2, **settings)
    assert found == pytest.approx(expected["adam_descent_L-0.5_beta2_2000steps_lr1e-2"], abs=1e-4)
    assert found == pytest.approx(expected["fixed_point_beta2_L-0.5"], abs=1e-4)


def test_limits_hold():
    assert moved(3.0, alpha_mode="ascent", alpha_max=0.02) == pytest.approx(0.02)
    assert moved(-3.0, alpha_mode="ascent") == 0
    assert moved(-3.0, alpha_mode="descent", alpha_max=0.02) == pytest.approx(0.02)


def test_threshold_turns_the_ascent():
    assert moved(0.5, alpha_mode="ascent", alpha_threshold=0.4) > 0
    assert moved(0.5, alpha_mode="ascent", alpha_threshold=0.6) == 0


def test_ramp_and_fixed_learn_nothing():
    ramp = {"alpha_mode": "ramp", "alpha_max": 0.4, "penalised_steps": 10}
    found = [moved(1.0, steps=steps, **ramp) for steps in (1, 6, 11, 15)]
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.4])
    assert moved(1.0, steps=1, alpha_mode="fixed", alpha_max=0.3) == pytest.approx(0.3)


def test_the_distance_gets_no_gradient():
    alphas = Alphas(2, FdLossConfig())
    distances = torch.ones(2, requires_grad=True)
    alphas.objective(distances).backward()
    assert distances.grad is None
    assert alphas.values.grad.tolist() == [-1, -1]
