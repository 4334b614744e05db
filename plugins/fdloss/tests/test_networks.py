"""The networks against the reference: parameter counts, fingerprints, layers, known mistakes."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch
from torch import nn

from histokit.errors import UnknownName
from histokit.interfaces.spec import NetworkSpec, load_object
from histokit.nn.taps import with_taps
from histokit_fdloss import networks
from histokit_fdloss.layers import layer_names
from histokit_fdloss.networks.attention_unet import attention_unet_jimenez
from histokit_fdloss.networks.blocks import AlwaysDropout
from histokit_fdloss.networks.cmunet import cmunet
from histokit_fdloss.networks.nucleisegnet import nucleisegnet

CARDS = {card.name: card for card in vars(networks).values() if isinstance(card, NetworkSpec)}
COUNTS = {
    "attention-unet": "attunet_standard_64_1024",
    "attention-unet-jimenez": "attunet_jimenez",
    "attention-unet-jimenez-released": "attunet_jimenez",
    "attention-unet-released": "attunet_released_script",
    "nucleisegnet": "nucleisegnet",
    "cmunet": "cmunet_official_l7_k7",
    "cmunet-released": "cmunet_released_script",
}
FINGERPRINTS = {
    "fingerprint_attunet_standard": ("attention-unet", "logits"),
    "fingerprint_attunet_jimenez": ("attention-unet-jimenez-released", "logits"),
    "fingerprint_cmunet": ("cmunet", "logits"),
    "fingerprint_nucleisegnet": ("nucleisegnet", "logit"),
    "fingerprint_released_attnunet": ("attention-unet-released", "logit"),
    "fingerprint_released_cmunet": ("cmunet-released", "logit"),
    "fingerprint_released_nucleisegnet": ("nucleisegnet", "logit"),
}
TAP_SHAPES = {
    "attention-unet": "attunet_standard",
    "cmunet": "cmunet_official",
    "nucleisegnet": "nucleisegnet",
    "attention-unet-released": (
        "attunet_released(encoder taps AFTER pooling, upsampled x2 bilinear inside the loss)"
    ),
}


def vector(vectors, name):
    return next(entry for entry in vectors("fdloss")["vectors"] if entry["name"] == name)


def built(name, out_channels=1, **options):
    card = CARDS[name]
    factory = load_object(card.factory, name)
    return factory(3, out_channels, **card.options, **options)


def drawn(name):
    """The network without numbers: only the shapes of things."""
    with torch.device("meta"):
        return built(name)


def parameters(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def recipe(module):
    """Fills weights as the reference values were made, whatever the names of the layers."""
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, AlwaysDropout):
            layer.share = 0.0
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            rows, columns = layer.weight.shape[-2:]
            y = torch.arange(rows, dtype=torch.float64)[:, None]
            x = torch.arange(columns, dtype=torch.float64)
            pattern = (0.4 + 0.6 * torch.cos(1 + 2 * y + 3 * x)) / math.sqrt(rows * columns)
            layer.weight.copy_(
                pattern.expand_as(layer.weight) / (layer.in_channels // layer.groups)
            )
            if layer.bias is not None:
                layer.bias.fill_(0.05)
    return module


def recipe_images(shape=(2, 3, 48, 64)):
    n, c, y, x = (torch.arange(size, dtype=torch.float64) for size in shape)
    grid = 11 * n[:, None, None, None] + 5 * c[:, None, None] + 3 * y[:, None] + 7 * x
    return (grid % 23) / 22


def tapped(name, module, images):
    taps = CARDS[name].taps
    names = layer_names(taps)
    output, features = with_taps(module, [taps[one] for one in names], images)
    return output, names, features


@pytest.mark.parametrize(("name", "key"), COUNTS.items(), ids=COUNTS)
def test_parameter_counts(vectors, name, key):
    expected = vector(vectors, "parameter_counts")["expected"]
    assert parameters(drawn(name)) == expected[key]


def test_counts_of_parts(vectors):
    expected = vector(vectors, "parameter_counts")["expected"]
    attention = drawn("attention-unet")
    gates = sum(parameters(step.gate) for step in attention.decoder)
    plain = expected["unet_standard_64_1024_same_family"]
    assert parameters(attention) - gates == plain
    cmu = drawn("cmunet")
    assert parameters(cmu.bottom[1:]) == expected["cmunet_convmixer_only"]
    found = {str(s.mix[3].out_channels): parameters(s.gate) for s in cmu.decoder}
    assert found == expected["cmunet_msag"]
    statistics = [b for n, b in drawn("nucleisegnet").named_buffers() if "running" in n]
    total = expected["nucleisegnet"] + sum(b.numel() for b in statistics)
    assert total == expected["nucleisegnet_keras_total_including_running_stats"]


@pytest.mark.parametrize("entry_name", FINGERPRINTS)
def test_fingerprint(vectors, entry_name):
    name, key = FINGERPRINTS[entry_name]
    entry = vector(vectors, entry_name)
    expected, tolerance = entry["expected"][key], entry["abs_tol"]
    with torch.no_grad():
        logits, names, features = tapped(name, recipe(built(name)), recipe_images())
    assert list(logits.shape) == expected["shape"]
    height, width = logits.shape[-2:]
    found = {
        "mean": logits.mean(),
        "std_population": logits.std(unbiased=False),
        "min": logits.min(),
        "max": logits.max(),
        "at_[0,0,0,0]": logits[0, 0, 0, 0],
        "at_[0,0,1,2]": logits[0, 0, 1, 2],
        "at_[0,0,H//2,W//3]": logits[0, 0, height // 2, width // 3],
        "at_[0,0,H-1,W-1]": logits[0, 0, -1, -1],
    }
    for part, value in found.items():
        assert float(value) == pytest.approx(expected[part], abs=tolerance), part
    if "probability" in entry["expected"]:
        mean = float(torch.sigmoid(logits).mean())
        assert mean == pytest.approx(entry["expected"]["probability"]["mean"], abs=tolerance)
    if "tap_channel0_means" in entry["expected"]:
        means = [float(one[:, 0].mean()) for one in features]
        wanted = entry["expected"]["tap_channel0_means"]
        assert means == pytest.approx(wanted, abs=tolerance), names
        shapes = [[n, h, w, c] for n, c, h, w in (one.shape for one in features)]
        assert shapes == entry["expected"]["tap_shapes_NHWC"]


@pytest.mark.parametrize(("name", "key"), TAP_SHAPES.items(), ids=TAP_SHAPES)
def test_tap_shapes_and_their_order(vectors, name, key):
    expected = vector(vectors, "tap_shapes")["expected"][key]
    with torch.no_grad():
        images = torch.zeros(1, 3, 64, 64, device="meta")
        _, names, features = tapped(name, drawn(name).eval(), images)
    assert [list(one.shape[1:]) for one in features] == expected
    assert names[:3] == ["enc1", "dec1", "enc2"]
    assert names[-1] == "bottleneck"


@pytest.mark.parametrize("name", CARDS)
def test_cards_serve_every_method(name):
    card = CARDS[name]
    module = built(name, out_channels=4, width=8).eval()
    side = card.sizes.fit(1)
    paths = [card.taps["decoder_last"], card.taps["bottleneck"]]
    with torch.no_grad():
        output, (last, bottom) = with_taps(module, paths, torch.zeros(2, 3, 2 * side, 2 * side))
    assert output.shape == (2, 4, 2 * side, 2 * side)
    assert torch.allclose(module.head(last), output)
    assert bottom.shape[-1] == 2 or name.startswith("attention-unet-")
    (entry,) = entry_points(group="histokit.networks", name=name)
    assert entry.load() is card


def test_cards_are_torch_free():
    code = "import histokit_fdloss.networks, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", [n for n in CARDS if n != "attention-unet-jimenez-released"])
def test_everything_is_trained(name):
    module = built(name, width=8)
    module(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_released_jimenez_never_trains_its_first_decoder_block(vectors):
    expected = vector(vectors, "parameter_counts")["expected"]
    module = built("attention-unet-jimenez-released")
    module(torch.rand(2, 3, 16, 16)).square().mean().backward()
    idle = sum(p.numel() for p in module.parameters() if p.grad is None)
    assert idle == expected["attunet_jimenez_of_which_never_receives_gradient(Up_conv4)"]


def test_released_jimenez_never_stops_its_dropout():
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        for wiring, alike in (("fixed", True), ("released", False)):
            module = attention_unet_jimenez(3, 1, width=8, wiring=wiring).eval()
            assert torch.equal(module(images), module(images)) is alike
            module.train()
            assert not torch.equal(module(images), module(images))


def test_unknown_variants_are_told():
    with pytest.raises(UnknownName, match="released"):
        cmunet(3, 1, width=8, variant="relaesed")
    with pytest.raises(UnknownName, match="fixed"):
        attention_unet_jimenez(3, 1, width=8, wiring="fix")


def test_nucleisegnet_starts_as_in_keras():
    module = nucleisegnet(3, 1, width=8)
    norms = {n: m for n, m in module.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():
        start = 0.01 if name.startswith("encoder") else 0.0
        assert torch.equal(norm.bias, torch.full_like(norm.bias, start))
        assert (norm.eps, norm.momentum) == (1e-3, 0.5)
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    biases = {round(float(m.bias[0].detach()), 6) for m in convs if m.bias is not None}
    assert biases == {0.0, 0.1}
    assert sum(m.bias is None for m in convs) == 4


@pytest.mark.parametrize("name", ["attention-unet-released", "cmunet-released"])
def test_released_variants_have_the_batch_norm_of_keras(name):
    norms = [m for m in built(name, width=8).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
