"""The schedule and the posterior against reference values, and what follows from them."""

from __future__ import annotations

import pytest
import torch

from histokit_syndiff_pl.diffusion import Diffusion, variances

NAMES = {
    "betas": "betas",
    "sigmas": "spread",
    "a_s": "keep",
    "a_s_cum": "kept",
    "sigmas_cum": "spreads",
}


def image(rows):
    return torch.tensor(rows)[None, None]


def near(found, expected, **tolerance):
    torch.testing.assert_close(found, torch.as_tensor(expected, dtype=found.dtype), **tolerance)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_schedule(vector, steps):
    expected = vector(f"schedule_T{steps}")
    times, betas = variances(steps, 0.1, 20.0)
    near(times, expected["continuous_t"], rtol=1e-9, atol=0)
    near(betas, expected["betas_float64"], rtol=1e-9, atol=0)
    diffusion = Diffusion.of(steps)
    assert diffusion.steps == steps
    for name, field in NAMES.items():
        near(getattr(diffusion, field), expected["reference_float32"][name], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_posterior(vector, steps):
    expected = vector(f"posterior_T{steps}")
    diffusion = Diffusion.of(steps)
    single = expected["reference_float32"]
    near(diffusion.from_clean, single["coef1_x0"], rtol=1e-5, atol=1e-9)
    near(diffusion.from_later, single["coef2_xt"], rtol=1e-5, atol=1e-9)
    near(diffusion.variance, single["variance"], rtol=1e-5, atol=1e-9)
    clipped = diffusion.variance.clamp_min(1e-20).log()
    near(clipped, single["log_variance_clipped"], rtol=1e-4, atol=1e-6)
    near(diffusion.from_clean, expected["coef1_x0"], rtol=1e-5, atol=1e-6)


def test_pairs_of_noisy_images(vector):
    case = vector("q_sample_pairs_T4")
    clean, first, second = (image(case[name]) for name in ("x0", "noise1", "noise2"))
    for expected in case["expected"]:
        noised = Diffusion.of(4).pair(clean, torch.tensor([expected["t"]]), first, second)
        near(noised.now, image(expected["x_t"]), rtol=0, atol=1e-6)
        near(noised.later, image(expected["x_tp1"]), rtol=0, atol=1e-6)


def test_steps_back(vector):
    case = vector("posterior_sample_T4")
    clean, later, noise = (image(case[name]) for name in ("x0_pred", "x_tp1", "noise"))
    for expected in case["expected"]:
        steps = torch.tensor([expected["t"]])
        mean = Diffusion.of(4).step_back(clean, later, steps, torch.zeros_like(noise))
        drawn = Diffusion.of(4).step_back(clean, later, steps, noise)
        near(mean, image(expected["mean"]), rtol=0, atol=1e-6)
        near(drawn, image(expected["sample"]), rtol=0, atol=1e-6)


def test_the_last_step_is_the_prediction(vector):
    case = vector("sampling_last_step_is_generator")
    source = image(case["source"])
    seen = []

    def predict(noisy, steps):
        seen.append(int(steps))
        return torch.tanh(0.5 * source + 0.1 * steps)

    found = Diffusion.of(4).walk_back(predict, lambda: torch.randn_like(source))
    near(found, image(case["expected"]), rtol=0, atol=1e-6)
    assert seen == [3, 2, 1, 0]


def test_every_image_has_its_own_step():
    clean, noise = torch.randn(4, 1, 3, 3), torch.randn(2, 4, 1, 3, 3)
    steps = torch.tensor([3, 0, 2, 1])
    together = Diffusion.of(4).pair(clean, steps, *noise)
    for k in range(4):
        alone = Diffusion.of(4).pair(clean[k : k + 1], steps[k : k + 1], *noise[:, k : k + 1])
        assert torch.equal(together.later[k : k + 1], alone.later)


def test_random_steps_cover_all_and_step_0_is_clean():
    torch.manual_seed(0)
    clean = torch.randn(64, 1, 2, 2)
    noised = Diffusion.of(4).noised(clean)
    assert set(noised.steps.tolist()) == {0, 1, 2, 3}
    at_rest = noised.steps == 0
    assert torch.equal(noised.now[at_rest], clean[at_rest])
    assert not torch.equal(noised.later[at_rest], clean[at_rest])
