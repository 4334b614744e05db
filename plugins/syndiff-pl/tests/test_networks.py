"""The networks: reference values of parts and wholes, sizes, channels, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from histokit_syndiff_pl.networks.critic import CriticBlock, TimeCritic, batch_deviation
from histokit_syndiff_pl.networks.denoiser import Attention, Denoiser, Residual
from histokit_syndiff_pl.networks.layers import (
    AdaptiveNorm,
    Fir,
    average_fan,
    groups,
    outgoing_fan,
    pixel_norm,
    timestep_embedding,
)
from histokit_syndiff_pl.networks.translator import OneShot, PatchCritic


def near(found, expected, **tolerance):
    torch.testing.assert_close(found, torch.as_tensor(expected, dtype=found.dtype), **tolerance)


def load(module, case):
    """Puts given weights into a module, in order; projections are stored (in, out) there."""
    for parameter, (name, given) in zip(
        module.parameters(), case["parameters"].items(), strict=True
    ):
        values = torch.tensor(given)
        parameter.data.copy_(values.T if name.endswith(".W") else values)
    return module


def stirred(module, scale=0.2):
    """The module with weights that let everything through, unlike those it starts with."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def gradients(module):
    return [parameter.grad.clone() for parameter in module.parameters()]


# parts


def test_timestep_embedding(vector):
    case = vector("timestep_embedding_dim8")
    near(timestep_embedding(torch.arange(4), case["dim"]), case["expected"], rtol=0, atol=1e-6)


def test_pixel_norm(vector):
    case = vector("pixelnorm")
    near(pixel_norm(torch.tensor(case["z"])), case["expected"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "mode"), [("fir_downsample_4x4", "down"), ("fir_upsample_2x2", "up")]
)
def test_resampling(vector, name, mode):
    case = vector(name)
    near(Fir(mode)(torch.tensor(case["x"])[None, None])[0, 0], case["expected"], rtol=0, atol=1e-6)


def test_resampling_before_a_convolution(vector):
    case = vector("fir_conv_downsample_4x4")
    blurred = Fir("blur")(torch.tensor(case["x"])[None, None])
    weight = torch.tensor(case["weight"])[None, None]
    found = torch.nn.functional.conv2d(blurred, weight, stride=2)
    near(found[0, 0], case["expected"], rtol=0, atol=1e-5)


def test_resampling_keeps_channels_apart():
    images = torch.randn(2, 3, 8, 8)
    for mode in ("down", "up", "blur"):
        alone = [Fir(mode)(images[:, k : k + 1]) for k in range(3)]
        near(Fir(mode)(images), torch.cat(alone, 1))


@pytest.mark.parametrize("name", ["plain", "widen", "down", "up"])
def test_residual_block(vector, name):
    case = vector(f"resblock_{name}")
    inside = case["config"]["in_ch"]
    block = Residual(
        inside,
        case["config"].get("out_ch", inside),
        time=3,
        latent=2,
        resample=Fir(name) if name in ("down", "up") else None,
    )
    inputs = (torch.tensor(case[key]) for key in ("x", "temb", "zemb"))
    near(load(block, case)(*inputs), case["expected"], rtol=1e-5, atol=1e-5)


def test_attention(vector):
    case = vector("attention_block")
    found = load(Attention(4), case)(torch.tensor(case["x"]))
    near(found, case["expected"], rtol=1e-5, atol=1e-5)


def test_critic_block(vector):
    case = vector("disc_down_block")
    found = load(CriticBlock(2, 4, 3), case)(torch.tensor(case["x"]), torch.tensor(case["t_emb"]))
    near(found, case["expected"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4])
def test_deviation_of_a_batch(vector, batch):
    case = vector(f"minibatch_stddev_batch{batch}")
    near(batch_deviation(torch.tensor(case["x"])), case["expected"], rtol=1e-6, atol=0)


def test_deviation_of_two_groups():
    features = torch.randn(8, 3, 2, 2)
    found = batch_deviation(features)
    assert found.shape == (8, 1, 2, 2)
    for first in (0, 1):
        near(found[first::2], batch_deviation(features[first::2]))


@pytest.mark.parametrize(("channels", "expected"), [(8, 2), (24, 6), (384, 32), (144, 24)])
def test_groups_divide_the_channels(channels, expected):
    assert groups(channels) == expected


@pytest.mark.parametrize("scale", [1.0, 1e-10])
def test_starting_weights(scale):
    layer = torch.nn.Linear(100, 256)
    outgoing = outgoing_fan(layer, scale).weight.detach().abs().max()
    assert float(outgoing) == pytest.approx(math.sqrt(3 * scale / 256), rel=1e-3)
    average = average_fan(layer, scale).weight.detach().abs().max()
    assert float(average) == pytest.approx(math.sqrt(3 * scale / 178), rel=1e-3)
    assert not layer.bias.any()


def test_adaptive_norm_starts_as_a_plain_one():
    norm = AdaptiveNorm(8, 4)
    found = norm(torch.randn(2, 8, 4, 4), torch.zeros(2, 4)).detach()
    near(found.mean(), 0.0, rtol=0, atol=1e-6)
    near(found.std(correction=0), 1.0, rtol=0, atol=1e-4)


# wholes


def test_denoiser(vector, fill, wave):
    case = vector("ncsnpp_tiny_end_to_end")
    net = Denoiser(width=8, factors=(1, 2), blocks=1, latent=4, latent_width=8, mapping=1)
    assert count(net) == case["n_parameters"]
    fill(net, case["parameter_order"])
    inputs = (wave(torch.sin, 3, 5, 16), wave(torch.cos, 4, -7, 16))
    step, latent = torch.tensor([case["t"]]), torch.tensor([case["z"]])
    with torch.no_grad():
        found = net.maps(*inputs, step, latent)
        assert torch.equal(net(*inputs, step, latent), found[:, :1])
    for channel, y, x, expected in case["samples_c_y_x"]:
        assert float(found[0, channel, y, x]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert float(found.mean()) == pytest.approx(case["mean"], rel=1e-4)
    assert float(found.std(correction=0)) == pytest.approx(case["std"], rel=2e-3)


def test_critic(vector, fill, wave):
    case = vector("disc_tiny_end_to_end")
    net = TimeCritic(width=2, embedding=8)
    assert count(net) == case["n_parameters"]
    fill(net, case["parameter_order"])
    now = torch.cat((wave(torch.sin, 3, 5, 64), wave(torch.cos, 6, 9, 64)))
    later = torch.cat((wave(torch.cos, 4, -7, 64), wave(torch.sin, 8, -5, 64)))
    near(net(now, later, torch.tensor([0, 3])), case["expected"], rtol=1e-4, atol=1e-6)


def test_one_shot_translator(vector, fill, wave):
    case = vector("resnet_tiny_end_to_end")
    net = OneShot(width=4, blocks=2)
    fill(net, case["parameter_order"])
    found = net(wave(torch.sin, 3, 5, 16)).detach()
    for y, x, expected in case["samples_y_x"]:
        assert float(found[0, 0, y, x]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert float(found.mean()) == pytest.approx(case["mean"], rel=1e-4)
    assert float(found.std(correction=0)) == pytest.approx(case["std"], rel=2e-3)


def test_patch_critic(vector, fill, wave):
    case = vector("patchgan_tiny_end_to_end")
    net = PatchCritic(width=4)
    fill(net, case["parameter_order"])
    near(net(wave(torch.sin, 3, 5, 32))[0, 0], case["expected"], rtol=1e-4, atol=1e-5)


def test_parameter_counts(vector):
    case = vector("parameter_counts")
    with torch.device("meta"):
        counts = [count(net()) for net in (Denoiser, TimeCritic, OneShot, PatchCritic)]
        assert count(Denoiser().mapping) == case["ncsnpp_parts"]["latent_mapping"]
        assert count(Denoiser(attention=4)) == case["ncsnpp_256"]
        assert count(Denoiser(attention=3)) == case["ncsnpp_128_attention_moves_to_level3"]
    names = ("ncsnpp_512", "discriminator_large", "resnet_6blocks", "patchgan_70")
    assert counts == [case[name] for name in names]
    assert 2 * sum(counts) == case["all_eight_networks"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (
            "s32_nf16_122",
            {"width": 16, "factors": (1, 2, 2), "latent": 8, "latent_width": 16},
        ),
        ("s64_nf32_1222", {"width": 32, "factors": (1, 2, 2, 2), "attention": 2}),
        ("s256_nf64_112244", {"attention": 4}),
        ("s512_nf64_112244", {}),
        ("s512_nf32_112244", {"width": 32}),
    ],
)
def test_more_parameter_counts(vector, name, options):
    with torch.device("meta"):
        assert count(Denoiser(**options)) == vector("ncsnpp_counts_more")["expected"][name]


# promises


def small(**options):
    return Denoiser(
        **{"width": 8, "factors": (1, 2, 2), "blocks": 1, "latent": 4, "latent_width": 8, **options}
    )


def ask(net, side, batch=1):
    torch.manual_seed(1)
    images = torch.randn(2, batch, net.channels, side, side)
    return net(*images, torch.arange(batch) % 4, torch.randn(batch, 4))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [4, 12, 20, 32])
def test_any_side_that_the_levels_divide(channels, side):
    net = stirred(small(channels=channels))
    found = ask(net, side, batch=2)
    assert found.shape == (2, channels, side, side)
    assert 0.01 < float(found.detach().abs().max()) <= 1


def test_untrained_denoiser_gives_nearly_nothing():
    assert float(ask(small(), 32).detach().abs().max()) < 1e-3


def test_length_of_the_random_vector_says_nothing():
    net = stirred(small())
    images, step, latent = torch.randn(2, 1, 1, 8, 8), torch.tensor([2]), torch.randn(1, 4)
    with torch.no_grad():
        near(net(*images, step, 4 * latent), net(*images, step, latent), rtol=0, atol=1e-6)
        assert not torch.allclose(net(*images, step, -latent), net(*images, step, latent))


@pytest.mark.parametrize("side", [64, 80, 127])
def test_critic_takes_any_side_from_64(side):
    net = stirred(TimeCritic(3, width=1, embedding=4), 0.05)
    images = torch.randn(2, 2, 3, side, side)
    found = net(*images, torch.tensor([0, 3]))
    assert found.shape == (2,)
    assert bool(torch.isfinite(found).all())


def test_translator_keeps_shape_and_range():
    found = OneShot(3, width=4, blocks=1)(torch.randn(2, 3, 12, 20))
    assert found.shape == (2, 3, 12, 20)
    assert float(found.detach().abs().max()) <= 1


def test_checkpointing_changes_no_gradient():
    def both(kind, use):
        found = []
        for saving in (False, True):
            torch.manual_seed(0)
            net = stirred(kind(saving), 0.05)
            use(net).backward()
            found.append(gradients(net))
        return zip(*found, strict=True)

    def penalty(critic):
        now = torch.ones(1, 1, 64, 64, requires_grad=True)
        logit = critic(now, torch.ones(1, 1, 64, 64), torch.tensor([1])).sum()
        (gradient,) = torch.autograd.grad(logit, now, create_graph=True)
        return gradient.square().sum() + 0 * logit

    cases = [
        (lambda saving: small(checkpointing=saving), lambda net: ask(net, 8).square().mean()),
        (lambda saving: TimeCritic(width=1, embedding=4, checkpointing=saving), penalty),
        (
            lambda saving: OneShot(width=4, blocks=1, checkpointing=saving),
            lambda net: net(torch.ones(1, 1, 8, 8)).square().mean(),
        ),
    ]
    for kind, use in cases:
        for plain, saved in both(kind, use):
            near(saved, plain)


def test_checkpointing_keeps_less():
    def kept(saving):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
        ):
            ask(small(checkpointing=saving), 32)
        return sum(sizes)

    assert kept(True) < 0.5 * kept(False)


def test_outputs_are_single_precision_under_autocast():
    steps, images = torch.tensor([1]), torch.randn(2, 1, 1, 64, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [
            small()(*images, steps, torch.randn(1, 4)),
            TimeCritic(width=1, embedding=4)(*images, steps),
            OneShot(width=4, blocks=1)(images[0]),
            PatchCritic(width=4)(images[0]),
        ]
    assert all(one.dtype == torch.float32 for one in found)
