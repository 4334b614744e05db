"""Generator, critic and heads, by reference values; big networks are only measured, not run."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from histokit_mdcl.networks import (
    SIZES,
    Critic,
    Generator,
    ProjectionHeads,
    drawn_positions,
    picked,
    tap_channels,
    unit,
)

TAPS = (0, 4, 8, 12, 16)


def meta(network, *arguments, **options):
    """A network without memory, which knows only shapes."""
    with torch.device("meta"):
        return network(*arguments, **options)


def blank(side):
    return torch.empty(1, 3, side, side, device="meta")


def pattern(side):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([(x / 3 + y / 5).sin(), (x / 4 - y / 7).cos(), (x / 6).sin()])[None]


@torch.no_grad()
def fill(network):
    """The fill rule of the vectors."""
    for k, parameter in enumerate(network.parameters()):
        j = torch.arange(parameter.numel(), dtype=torch.float64)
        if parameter.ndim > 1:
            values = (0.37 * (j + 1) + k).sin() / math.sqrt(parameter[0].numel())
        else:
            values = 0.05 * (j + k).cos()
        parameter.copy_(values.reshape(parameter.shape))
    return network


def spread(values):
    return values.std(correction=0)


def shapes(network):
    return [[name, list(p.shape)] for name, p in network.named_parameters()]


def numbers(network):
    return sum(p.numel() for p in network.parameters()), sum(b.numel() for b in network.buffers())


def test_generator_end_to_end(vectors):
    entry = vectors("mdcl")["generator_tiny_end_to_end"]
    generator = fill(Generator(4, 2, spectral=False))
    assert shapes(generator) == entry["parameter_order"]
    with torch.no_grad():
        found = generator(pattern(16))[0]
        features = generator.features(pattern(16), (0, 4, 8, 12))
    for channel, y, x, value in entry["samples_c_y_x"]:
        assert float(found[0, channel, y, x]) == pytest.approx(value, rel=1e-4)
    assert float(found.mean()) == pytest.approx(entry["mean"], rel=1e-4)
    assert float(spread(found)) == pytest.approx(entry["std"], rel=1e-4)
    assert [list(f.shape[1:]) for f in features] == entry["feature_shapes"]
    means, spreads = ([float(f(x)) for x in features] for f in (torch.mean, spread))
    assert means == pytest.approx(entry["feature_mean"], rel=1e-4)
    assert spreads == pytest.approx(entry["feature_std"], rel=1e-4)


def test_critic_end_to_end(vectors):
    entry = vectors("mdcl")["discriminator_tiny_end_to_end"]
    critic = fill(Critic(4, 3, spectral=False))
    assert shapes(critic) == entry["parameter_order"]
    with torch.no_grad():
        found = critic(pattern(32))
    assert list(found.shape) == entry["shape"]
    assert torch.allclose(found[0, 0], torch.tensor(entry["expected"]), rtol=1e-4, atol=0)


def test_shapes_at_the_taps(vectors):
    features = meta(Generator, spectral=False).features(blank(512), TAPS)
    assert [list(f.shape[1:]) for f in features] == vectors("mdcl")["feature_taps"]["expected"]


def test_scores_of_the_critic(vectors):
    critic = meta(Critic, spectral=False)
    for side, shape in vectors("mdcl")["discriminator_output"]["expected"].items():
        assert list(critic(blank(int(side))).shape[1:]) == shape


def test_numbers_of_parameters(vectors):
    entry = vectors("mdcl")["parameter_counts"]
    assert numbers(meta(Generator)) == (entry["G"], entry["G_buffers"])
    assert numbers(meta(Critic)) == (entry["D"], entry["D_buffers"])
    assert numbers(meta(ProjectionHeads, (3, 128, 256, 256, 256)))[0] == entry["F"]
    assert numbers(meta(Generator, 64, 9, spectral=False))[0] == entry["cut_9_blocks_G"]
    assert numbers(meta(Critic, 64, 3, spectral=False))[0] == entry["cut_basic_D"]


def test_projection_head(vectors):
    entry = vectors("mdcl")["projection_mlp"]
    heads = ProjectionHeads((3,), 4)
    heads.heads[0].load_state_dict({n: torch.tensor(v) for n, v in entry["parameters"].items()})
    features = torch.tensor(entry["x"]).t()[None, :, None]  # [1 3 1 2]
    (found,) = heads([features], [torch.arange(2)])
    assert torch.allclose(found[0], torch.tensor(entry["expected"]), rtol=0, atol=1e-6)


def test_unit_vectors(vectors):
    entry = vectors("mdcl")["feature_normalise"]
    x = torch.tensor(entry["x"], requires_grad=True)
    found = unit(x)
    assert torch.allclose(found, torch.tensor(entry["expected"]), rtol=1e-5, atol=1e-7)
    found.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_positions_are_read_row_by_row():
    features = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    found = picked(features, torch.tensor([0, 7, 19]))
    assert torch.equal(found, features.flatten(2)[:, :, [0, 7, 19]].transpose(1, 2))


def test_positions_differ_and_end_with_the_map():
    features = torch.zeros(1, 2, 4, 5)
    assert len(drawn_positions(features, 8).unique()) == 8
    assert torch.equal(drawn_positions(features, 256).sort().values, torch.arange(20))


def test_features_do_not_depend_on_what_follows():
    torch.manual_seed(0)
    generator = Generator(4, 6).eval()
    images = torch.rand(1, 3, 32, 32)
    before = generator.features(images, TAPS)
    with torch.no_grad():
        for layer in generator.model[17:]:
            for parameter in layer.parameters():
                parameter.add_(1.0)
    after = generator.features(images, TAPS)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    with torch.no_grad():
        generator.model[16].conv_block[1].weight_orig[0].mul_(-1.0)
    assert not torch.equal(generator.features(images, TAPS)[-1], after[-1])


def test_nothing_runs_after_the_last_tap():
    generator = Generator(4, 2)
    ran = []
    for index, layer in enumerate(generator.model):
        layer.register_forward_hook(lambda *_, index=index: ran.append(index))
    generator.features(torch.rand(1, 3, 16, 16), (0, 4, 8))
    assert ran == list(range(9))


def test_the_norms_can_be_measured_by_the_core():
    norms = [m for m in Generator(4, 2).modules() if "Norm" in type(m).__name__]
    assert len(norms) == 3 + 2 * 2 + 2
    for norm in norms:
        assert type(norm) is nn.InstanceNorm2d
        assert (norm.affine, norm.track_running_stats, norm.eps) == (False, False, 1e-5)


def test_measuring_the_taps_leaves_no_trace():
    torch.manual_seed(0)
    generator = Generator(4, 6)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    assert tap_channels(generator, TAPS) == [3, 8, 16, 16, 16]
    assert generator.training
    assert all(torch.equal(generator.state_dict()[n], value) for n, value in before.items())


@pytest.mark.parametrize("shape", [(16, 16), (20, 36)])
def test_sizes_that_are_promised_work(shape):
    assert SIZES.allows(16)
    generator = Generator(4, 2).eval()
    assert generator(torch.rand(1, 3, *shape))[0].shape == (1, 3, *shape)


def test_channels_last_gives_the_same():
    torch.manual_seed(0)
    generator, critic = Generator(4, 2).eval(), Critic(4, 2).eval()
    for network, call in ((generator, lambda images: generator(images)[0]), (critic, critic)):
        images = torch.rand(2, 3, 32, 32)
        with torch.no_grad():
            expected = call(images)
            network.to(memory_format=torch.channels_last)
            found = call(images.to(memory_format=torch.channels_last))
        assert torch.allclose(found, expected, rtol=0, atol=1e-5)
