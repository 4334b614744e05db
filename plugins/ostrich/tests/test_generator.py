"""The bijection of images with maps and embeddings."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit.errors import DataError
from histokit_ostrich.generator import Generator, Shape, Split, channel_balance
from histokit_ostrich.lift import Lift, colours, concentrations

TILES = [(4, 2), (2, 2), (8, 2), (0, 0), (4,)]


def images(*size, dtype=torch.float32, count=2):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(5)).to(dtype)


def test_stain_lift(vector):
    entry = vector("stain_lift")
    lift = Lift().double()
    stains = torch.tensor(entry["stain_rows"], dtype=torch.float64)
    assert torch.allclose(lift.stains, stains, atol=1e-7)
    rgb = torch.tensor(entry["rgb"], dtype=torch.float64).view(1, 3, 1, 1)
    amounts = concentrations(rgb, stains)
    assert amounts.flatten().tolist() == pytest.approx(entry["conc"], abs=1e-12)
    density = torch.einsum("bshw,sc->bchw", amounts, stains)
    assert density.flatten().tolist() == pytest.approx(entry["od"], abs=1e-12)
    back = colours(amounts, stains)
    assert back.flatten().tolist() == pytest.approx(entry["rgb_back"], abs=1e-12)


@pytest.mark.parametrize("kind", ["stain", "rgb"])
def test_the_lift_comes_back_for_every_colour(kind):
    lift = Lift(kind=kind)
    grid = torch.cartesian_prod(*[torch.linspace(0, 1, 5)] * 3).T.reshape(1, 3, 5, 25)
    lift.fit(grid)
    assert torch.allclose(lift.inverse(lift(grid)), grid, atol=2e-6)


def test_wild_amounts_of_stain_stay_finite():
    lift = Lift()
    for value in (-1e4, 1e4):
        assert bool(torch.isfinite(lift.inverse(torch.full((1, 3, 2, 2), value))).all())


def test_dimension_balance(vector):
    for colours_in, noise, maps, embedding in vector("dimension_balance")["rows"]:
        assert channel_balance(embedding, maps) == (colours_in, noise)
    with pytest.raises(DataError, match="embedding"):
        channel_balance(-1)


def test_parameter_counts(vector):
    kinds = {"aff2": "affine", "add4": "additive"}
    for row in vector("param_count")["rows"]:
        shape = Shape(
            tiles=(4, 2)[: row["levels"]],
            depth=row["steps"],
            width=row["width"],
            coupling=kinds[row["coupling"]],
        )
        count = sum(weight.numel() for weight in Generator(shape).parameters())
        assert count == row["params"]


@pytest.mark.parametrize("embedding", [0, 1, 2, 3, 5])
def test_every_embedding_carries_what_was_kept(small, embedding):
    generator = small(torch.float64, embedding=embedding)
    given = images(16, 16, dtype=torch.float64)
    split = generator(given)
    assert split.map.shape == (2, 1, 16, 16)
    assert split.embedding.shape == (2, embedding, 16, 16)
    lifted = generator.lifted(given)
    assert torch.allclose(generator.joined(split), lifted, atol=1e-10)
    same = torch.allclose(generator.inverse(split), given, atol=1e-10)
    assert same == (embedding >= 2)


def test_noise_only_in_training(small):
    generator = small(embedding=4)
    given = images(8, 8)
    assert torch.equal(generator.lifted(given), generator.lifted(given))
    generator.train()
    assert not torch.equal(generator.lifted(given), generator.lifted(given))


def test_the_start_is_the_identity_of_the_lift():
    generator = Generator(Shape(depth=1, width=4))
    given = images(16, 16)
    generator.lift.fit(given)
    split = generator(given)
    assert torch.allclose(split.map, generator.lift(given)[:, :1], atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    tiles=st.sampled_from(TILES),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    coupling=st.sampled_from(["affine", "additive"]),
    mix=st.sampled_from(["orthogonal", "lu"]),
    order=st.sampled_from(["phase", "channel"]),
)
def test_bijective_at_every_size(small, tiles, height, width, coupling, mix, order):
    generator = small(torch.float64, width=2, tiles=tiles, coupling=coupling, mix=mix, order=order)
    given = images(height, width, dtype=torch.float64, count=1)
    split = generator(given)
    assert torch.allclose(generator.inverse(split), given, rtol=0, atol=1e-10)
    assert split.cropped().shape[-2:] == (height, width)
    again = generator.split(generator.joined(split), split.size)
    assert torch.allclose(again.map, split.map, rtol=0, atol=1e-10)
    assert torch.allclose(again.embedding, split.embedding, rtol=0, atol=1e-10)


@pytest.mark.parametrize("coupling", ["additive", "affine"])
def test_both_orders_are_the_identity_in_double_precision(small, coupling):
    flow = small(torch.float64, coupling=coupling, depth=2, width=8).flow
    given = torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(6)).double()
    with torch.no_grad():
        assert float((flow.inverse(flow(given)) - given).abs().max()) <= 1e-12
        assert float((flow(flow.inverse(given)) - given).abs().max()) <= 1e-12


@pytest.mark.parametrize("coupling", ["additive", "affine"])
@pytest.mark.parametrize("mix", ["orthogonal", "lu", "permutation"])
def test_the_determinant_is_that_of_the_jacobian(small, coupling, mix):
    flow = small(torch.float64, 0.2, coupling=coupling, mix=mix, tiles=(4,)).flow
    given = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(flow, given).reshape(48, 48)
    expected = float(torch.linalg.slogdet(jacobian).logabsdet)
    assert abs(expected) > 1e-3
    assert float(flow.log_det(given).detach()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(64, 64), (61, 47), (33, 64), (5, 7)])
@pytest.mark.parametrize(("coupling", "most"), [("additive", 1e-4), ("affine", 1e-3)])
def test_single_precision_is_enough(small, size, coupling, most):
    generator = small(coupling=coupling, depth=2, width=16)
    given = images(*size)
    with torch.no_grad():
        assert float((generator.inverse(generator(given)) - given).abs().max()) <= most


@pytest.mark.parametrize("size", [(16, 16), (13, 22)])
def test_lattice_mode_is_exact_to_the_bit(small, size):
    generator = small(coupling="additive", mix="permutation", lattice=True)
    given = images(*size)
    lifted = generator.lifted(given)
    assert torch.equal(generator.joined(generator.split(lifted)), lifted)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(generator.joined(generator(given)), lifted)
    plain = small(coupling="additive", mix="permutation")
    lifted = plain.lifted(given)
    assert not torch.equal(plain.joined(plain.split(lifted)), lifted)


def test_shifts_by_the_period_commute(small):
    generator = small(torch.float64, scale=0.1, width=2)
    given = images(192, 192, dtype=torch.float64, count=1)
    whole = generator(given).map
    inner = slice(72, -72)
    for shift, same in ((generator.multiple, True), (1, False)):
        moved = generator(given.roll((shift, shift), (2, 3))).map.roll((-shift, -shift), (2, 3))
        found = torch.allclose(moved[..., inner, inner], whole[..., inner, inner], atol=1e-9)
        assert found == same


def test_cropped_maps_are_refused(small):
    generator = small()
    split = generator(images(13, 13))
    with pytest.raises(DataError, match="cropped"):
        generator.inverse(Split(split.cropped(), split.embedding[..., :13, :13], split.size))


@pytest.mark.parametrize("tiles", TILES)
def test_sizes_are_what_the_generator_takes(small, tiles):
    generator = small(tiles=tiles)
    side = generator.sizes.fit(1)
    assert generator(images(side, side)).map.shape[-1] == side
    assert generator.sizes.multiple_of == generator.multiple
