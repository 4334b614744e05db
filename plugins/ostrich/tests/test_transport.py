"""Transport costs against reference values, POT, and at the places where POT fails."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import ot
import pytest
import torch

from histokit_ostrich import transport
from histokit_ostrich.critics import Critic, critic_terms, gradient_penalty
from histokit_ostrich.transport import (
    bures_squared,
    bures_to_normal,
    guarded,
    line_distance,
    pot_bures_to_normal,
    pot_sliced,
    random_directions,
    sinkhorn,
    sliced_squared,
)


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def cloud(seed, count=64, dimension=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimension, generator=generator, dtype=torch.float64)


def test_pot_is_named_only_inside_functions_of_one_module():
    for path in Path(transport.__file__).parent.glob("*.py"):
        imports = [
            line for line in path.read_text().splitlines() if "import ot" in line.split("#")[0]
        ]
        assert set(imports) == ({"    import ot"} if path.name == "transport.py" else set())


def test_small_sets(vector):
    entry = vector("ot_small_sets")
    x, y = doubles(entry["X"]), doubles(entry["Y"])
    for reg in (2.0, 1.0, 0.5):
        expected = entry[f"sinkhorn2_log_reg{reg}"]
        assert float(sinkhorn(x, y, reg)) == pytest.approx(expected, abs=1e-8)
        divergence = ot.bregman.empirical_sinkhorn_divergence(x, y, reg)
        assert float(divergence) == pytest.approx(entry[f"sinkhorn_divergence_reg{reg}"], abs=1e-8)
    squared = sliced_squared(x, y, doubles(entry["projections"]))
    assert float(squared) == pytest.approx(entry["sliced_w2_squared"], abs=1e-12)
    assert float(squared.sqrt()) == pytest.approx(entry["sliced_w2_given_projections"], abs=1e-12)
    weights = np.full(4, 0.25)
    for metric in ("sqeuclidean", "euclidean"):
        cost = ot.dist(x.numpy(), y.numpy(), metric=metric)
        found = ot.emd2(weights, weights, cost)
        assert found == pytest.approx(entry[f"emd2_{metric}"], abs=1e-8)


def test_sliced_is_the_square_of_pots():
    first, second = cloud(1), cloud(2) + 1
    directions = random_directions(3, 50, first)
    assert torch.allclose(directions.norm(dim=0), torch.ones(50, dtype=torch.float64))
    expected = ot.sliced_wasserstein_distance(first, second, projections=directions) ** 2
    found = sliced_squared(first, second, directions)
    assert float(found) == pytest.approx(float(expected), abs=1e-10)


def test_bures(vector):
    entry = vector("bures_to_standard_normal")
    mean = doubles(entry["m"])
    covariance = doubles(entry["C"]).requires_grad_()
    found = bures_squared(mean, covariance)
    assert float(found.detach()) == pytest.approx(entry["squared"], abs=1e-8)
    assert float(found.detach().sqrt()) == pytest.approx(entry["pot_distance"], abs=1e-8)
    found.backward()
    assert torch.allclose(covariance.grad, doubles(entry["grad_C"]), rtol=0, atol=1e-8)
    eigenvalues = torch.linalg.eigvalsh(covariance.detach())
    assert eigenvalues.tolist() == pytest.approx(entry["eigenvalues"])


def test_bures_of_a_cloud_falls_along_its_gradient():
    points = (2 * cloud(4) + 1).requires_grad_()
    cost = bures_to_normal(points)
    (slope,) = torch.autograd.grad(cost, points)
    numeric = []
    for sign in (1, -1):
        numeric.append(float(bures_to_normal((points + sign * 1e-5 * slope).detach())))
    assert (numeric[0] - numeric[1]) / 2e-5 == pytest.approx(float(slope.square().sum()), rel=1e-5)


def test_gradients_are_finite_where_those_of_pot_are_not(vector):
    expected = vector("pot_nan_gradient")["expected"]
    same = cloud(5).requires_grad_()
    directions = random_directions(3, 20, same.detach())
    pots = ot.sliced_wasserstein_distance(same, same.detach(), projections=directions)
    (slope,) = torch.autograd.grad(pots, same)
    assert bool(torch.isfinite(slope).all()) == expected["sliced_grad_finite"]
    (slope,) = torch.autograd.grad(sliced_squared(same, same.detach(), directions), same)
    assert float(slope.abs().max()) == 0

    eye = torch.eye(3, dtype=torch.float64)
    zero = torch.zeros(3, dtype=torch.float64)
    covariance = eye.clone().requires_grad_()
    pots = ot.gaussian.bures_wasserstein_distance(zero, zero, covariance, eye)
    (slope,) = torch.autograd.grad(pots, covariance)
    assert bool(torch.isfinite(slope).all()) == expected["bures_grad_finite"]
    (slope,) = torch.autograd.grad(bures_squared(zero, covariance), covariance)
    assert float(slope.abs().max()) < 1e-12
    for flat in (eye * 0, torch.diag(doubles([1.0, 1.0, 0.0]))):
        given = flat.clone().requires_grad_()
        (slope,) = torch.autograd.grad(bures_squared(zero, given), given)
        assert bool(torch.isfinite(slope).all())


def test_sinkhorn_does_not_underflow(vector):
    entry = vector("pot_nan_gradient")
    weights = np.array(entry["case"]["a"])
    cost = np.full((3, 3), 6000.0) - 1000 * np.eye(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = ot.sinkhorn2(weights, weights, cost, entry["case"]["reg"], method="sinkhorn")
    assert float(plain) == entry["expected"]["plain_sinkhorn_value"]
    # three points whose squared distances are 5000 to their partner and 6000 to the others
    corners = 500**0.5 * torch.eye(3, dtype=torch.float64)
    first = torch.cat((corners, torch.full((3, 1), 5000**0.5, dtype=torch.float64)), 1)
    second = torch.cat((corners, torch.zeros(3, 1, dtype=torch.float64)), 1)
    found = sinkhorn(first.requires_grad_(), second, entry["case"]["reg"])
    assert float(found.detach()) == pytest.approx(entry["expected"]["log_value"], rel=1e-9)
    (slope,) = torch.autograd.grad(found, first)
    assert bool(torch.isfinite(slope).all())


def test_the_gradient_of_sinkhorn_is_that_of_its_plan_held_still():
    first, second = cloud(6, 8).requires_grad_(), cloud(7, 9)
    found = sinkhorn(first, second)
    (slope,) = torch.autograd.grad(found, first)
    plan = ot.sinkhorn(
        torch.full((8,), 1 / 8, dtype=torch.float64),
        torch.full((9,), 1 / 9, dtype=torch.float64),
        (first.detach()[:, None] - second).square().sum(-1),
        0.5,
        method="sinkhorn_log",
    )
    expected = 2 * (plan[..., None] * (first.detach()[:, None] - second)).sum(1)
    assert torch.allclose(slope, expected, atol=1e-10)
    same = cloud(8).requires_grad_()
    (slope,) = torch.autograd.grad(sinkhorn(same, same.detach()), same)
    assert bool(torch.isfinite(slope).all())


def test_what_pot_computes_is_the_same():
    first, second = cloud(1) * 2 + 1, cloud(2)
    directions = random_directions(3, 50, first)
    expected = float(sliced_squared(first, second, directions))
    assert float(pot_sliced(first, second, directions)) == pytest.approx(expected, rel=1e-10)
    expected = float(bures_to_normal(first))
    assert float(pot_bures_to_normal(first)) == pytest.approx(expected, rel=1e-10)
    slopes = []
    for cost in (bures_to_normal, pot_bures_to_normal):
        given = first.clone().requires_grad_()
        slopes.append(torch.autograd.grad(cost(given), given)[0])
    assert torch.allclose(*slopes, rtol=1e-6)


def test_gradients_that_are_not_numbers_become_zero():
    same = cloud(5).requires_grad_()
    directions = random_directions(3, 20, same.detach())
    (slope,) = torch.autograd.grad(pot_sliced(same, same.detach(), directions), same)
    assert float(slope.abs().max()) == 0
    points = torch.eye(3, dtype=torch.float64)
    points = torch.cat((points, -points)) * (5 / 2) ** 0.5  # mean 0 and covariance 1 exactly
    points.requires_grad_()
    (slope,) = torch.autograd.grad(pot_bures_to_normal(points), points)
    assert bool(torch.isfinite(slope).all())
    assert guarded(points.detach()).requires_grad is False


def test_the_line(vector):
    entry = vector("kantorovich_1d")
    real, fake = doubles(entry["real"]), doubles(entry["fake"])
    assert line_distance(real, fake) == pytest.approx(entry["W1"])
    assert entry["pot_wasserstein_1d_p1"] == entry["W1"]
    dual, _ = critic_terms(lambda x: x.flatten(), fake[:, None], real[:, None])
    assert float(dual) == pytest.approx(entry["dual_value_Dx_eq_x"])
    one = torch.ones(1, 1, dtype=torch.float64)
    squared = float(sliced_squared(real[:, None], fake[:, None], one))
    assert squared == pytest.approx(entry["W2_squared"])
    power = ot.wasserstein_1d(real.numpy(), fake.numpy(), p=2)
    assert squared == pytest.approx(float(power)) == entry["pot_wasserstein_1d_p2"]


def test_lipschitz_maps_shrink_distances(vector):
    entry = vector("pushforward_lipschitz")
    a, b = doubles(entry["a"]), doubles(entry["b"])
    before = line_distance(a, b)
    after = line_distance(0.5 * a + 1, 0.5 * b + 1)
    assert before == pytest.approx(entry["W1"])
    assert after == pytest.approx(entry["W1_after"]) == pytest.approx(entry["K"] * before)


# critics


def test_gradient_penalty_of_a_linear_critic(vector):
    entry = vector("gp_linear_critic")
    weight = doubles(entry["w"])
    assert float(weight.norm()) == pytest.approx(entry["norm"])
    found = gradient_penalty(lambda x: x @ weight, cloud(1, 5, 4), cloud(2, 5, 4))
    assert float(found) == pytest.approx(entry["penalty"], abs=1e-9)


def test_equal_batches_have_no_distance():
    critic = Critic(1, 4, 2)
    maps = torch.randn(3, 1, 16, 16)
    gap, penalty = critic_terms(critic, maps, maps)
    assert float(gap.detach()) == 0
    assert float(penalty.detach()) > 0


def test_a_critic_without_slope_has_a_finite_gradient():
    critic = Critic(1, 4, 2)
    for weight in critic.parameters():
        torch.nn.init.zeros_(weight)
    gap, penalty = critic_terms(critic, torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8))
    (gap + penalty).backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in critic.parameters())
