"""The arithmetic of other machines, and what it does to the way there and back."""

from __future__ import annotations

import pytest
import torch

from histokit_ostrich.precision import PRECISIONS, arithmetic, round_trip, to_tf32


def images():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def test_tf32(vector):
    entry = vector("tf32_rounding")
    given = torch.tensor(entry["input"])
    assert to_tf32(given).tolist() == entry["tf32"]
    assert given.bfloat16().float().tolist() == entry["bf16"]


def test_convolutions_round_their_operands_and_nothing_else():
    values, weight = torch.rand(1, 2, 5, 5), torch.rand(3, 2, 3, 3)
    layer = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False)
    layer.weight.data = weight
    plain = layer(values)
    with arithmetic("fp32"):
        assert torch.equal(layer(values), plain)
    with arithmetic("tf32"):
        assert torch.equal(values + values, 2 * values)
        rounded = layer(values)
    assert not torch.equal(rounded, plain)
    layer.weight.data = to_tf32(weight)
    assert torch.equal(rounded, layer(to_tf32(values)))
    assert torch.equal(
        plain,
        torch.nn.functional.conv2d(
            torch.nn.functional.pad(values, (1, 1, 1, 1), mode="reflect"), weight
        ),
    )


@pytest.mark.parametrize("coupling", ["additive", "affine"])
def test_each_precision_inverts_worse_than_the_one_before(small, coupling):
    errors = round_trip(small(scale=0.05, coupling=coupling), images())
    assert tuple(errors) == PRECISIONS
    assert all(error.shape == (3,) for error in errors.values())
    fp32, tf32, bf16 = (float(error.max()) for error in errors.values())
    assert 0 < fp32 < 1e-3
    assert tf32 > 10 * fp32
    assert bf16 > 4 * tf32


def test_the_lattice_inverts_exactly_in_every_precision(small):
    generator = small(coupling="additive", mix="permutation", lattice=True)
    errors = round_trip(generator, images())
    # what is left is the rounding of the images themselves to the lattice
    assert all(torch.equal(error, errors["fp32"]) for error in errors.values())
    assert float(errors["fp32"].max()) < 2**-12


def test_an_inverse_that_breaks_down_counts_as_a_whole_image(small):
    errors = round_trip(small(clamp=8.0, scale=1.0), images())
    assert errors["fp32"].tolist() == [1.0] * 3
