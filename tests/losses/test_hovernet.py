"""The losses of HoVer-Net against the release, and by hand."""

from __future__ import annotations

import pytest
import torch

from histokit.losses.hovernet import (
    cross_entropy,
    distance_error,
    gradient_error,
    gradient_kernel,
    pooled_dice,
)


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def grid7():
    y, x = torch.arange(7.0)[:, None], torch.arange(7.0)
    nucleus = ((3 * y + 5 * x) % 7 + 1) / 9
    inside = (y - 3) ** 2 + (x - 3) ** 2 <= 5
    found = torch.stack((((2 * y + 3 * x) % 5 - 2) / 2, ((y + 4 * x) % 5 - 2) / 2))
    true = torch.stack(((x - 3).expand(7, 7) / 2, (y - 3).expand(7, 7) / 2)) * inside
    return torch.stack((1 - nucleus, nucleus))[None], inside[None], found[None], true[None]


def test_terms_are_those_of_the_release(vectors):
    entry = vector(vectors, "hovernet_losses")
    probability, inside, found, true = grid7()
    nuclei = inside[:, None].float()
    terms = {
        "np_ce": cross_entropy(probability, inside.long()),
        "np_dice_sum_of_two_channels": pooled_dice(probability, inside.long()),
        "hv_mse": distance_error(found, true),
        "hv_msge_reference_cross_axes": gradient_error(found, true, nuclei),
        "hv_msge_paper_aligned_axes": gradient_error(found, true, nuclei, axes="paper"),
    }
    for name, value in terms.items():
        assert float(value) == pytest.approx(entry["expected"][name], abs=entry["abs_tol"]), name
    reference = sum(value for name, value in terms.items() if "paper" not in name)
    total = entry["expected"]["total_weights_all_1_reference"]
    assert float(reference) == pytest.approx(total, abs=entry["abs_tol"])


@pytest.mark.parametrize("ramp", ["x", "y"])
@pytest.mark.parametrize("channel", [0, 1])
def test_which_derivative_is_taken_of_which_map(vectors, ramp, channel):
    entry = vector(vectors, f"msge_axis_probe_{ramp}_ramp_in_{'xy'[channel]}_channel")
    assert entry["input"] == {"ramp": ramp, "channel": channel}
    found, focus = torch.zeros(1, 2, 9, 9), torch.zeros(1, 1, 9, 9)
    steps = torch.arange(9.0)
    found[0, channel] = steps if ramp == "x" else steps[:, None]
    focus[..., 3:6, 3:6] = 1
    errors = {
        "reference": gradient_error(found, torch.zeros_like(found), focus),
        "paper_aligned": gradient_error(found, torch.zeros_like(found), focus, axes="paper"),
    }
    for name, value in errors.items():
        assert float(value) == pytest.approx(entry["expected"][name], abs=entry["abs_tol"]), name


def test_kernel(vectors):
    entry = vector(vectors, "sobel5_kernel")
    kernel = gradient_kernel(torch.zeros((), dtype=torch.float64))
    expected = torch.tensor(entry["expected"]["kernel_dy_rows"], dtype=torch.float64)
    assert torch.allclose(kernel, expected, atol=entry["abs_tol"], rtol=0)
    ramp = torch.arange(-2.0, 3, dtype=torch.float64)[:, None]
    response = entry["expected"]["response_on_unit_ramp_interior"]
    assert float((kernel * ramp).sum()) == pytest.approx(response, abs=1e-9)


def test_certain_mistakes_cost_a_finite_amount():
    probability = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    wrong = cross_entropy(probability, torch.ones(1, 1, 1, dtype=torch.long))
    assert float(wrong) == pytest.approx(16.118, abs=1e-3)


def test_dice_pools_the_batch_and_counts_every_class():
    truth = torch.zeros(2, 4, 4, dtype=torch.long)
    truth[0, :2] = 2
    perfect = torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).float()
    assert float(pooled_dice(perfect, truth)) == pytest.approx(0, abs=1e-6)
    assert float(pooled_dice(perfect.roll(1, 1), truth)) == pytest.approx(3, abs=1e-3)


def test_half_precision_gives_float32():
    probability, inside, found, true = grid7()
    nuclei = inside[:, None].float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = [
            cross_entropy(probability.bfloat16(), inside.long()),
            pooled_dice(probability.bfloat16(), inside.long()),
            distance_error(found.bfloat16(), true),
            gradient_error(found.bfloat16(), true, nuclei),
        ]
    assert {term.dtype for term in terms} == {torch.float32}
    assert float(terms[3]) == pytest.approx(3.8559, abs=0.05)


def test_background_alone_costs_no_gradient_error():
    found = torch.rand(1, 2, 8, 8)
    assert float(gradient_error(found, torch.zeros_like(found), torch.zeros(1, 1, 8, 8))) == 0
