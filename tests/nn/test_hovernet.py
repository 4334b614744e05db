"""HoVer-Net against the reference: sizes, parameters, fingerprints and freezing."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import nn

from histokit.errors import DataError, UnknownName
from histokit.interfaces.network import Head
from histokit.interfaces.spec import Sizes, load_object
from histokit.nn import cards
from histokit.nn.hovernet import SIZES, HoVerNet
from histokit.nn.taps import with_tap
from histokit.tiling.grid import grid

CARDS = [cards.HOVERNET, cards.HOVERNET_ORIGINAL, cards.HOVERNET_SAME, cards.HOVERNET_SMALL]


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


@cache
def abstract(mode, out_channels=1, narrow=1):
    """A network that has shapes but no numbers."""
    with torch.device("meta"):
        return HoVerNet(3, out_channels, mode=mode, narrow=narrow)


def count(module):
    return sum(p.numel() for p in module.parameters())


def shapes(network, *sides):
    output = network(torch.empty(1, 3, *sides, device="meta"))
    return {name: tuple(values.shape) for name, values in output.items()}


def recipe(module):
    """Fills weights as the reference values were made, whatever the names of the layers."""
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            with torch.no_grad():
                rows, columns = layer.weight.shape[-2:]
                y = torch.arange(rows, dtype=torch.float64)[:, None]
                x = torch.arange(columns, dtype=torch.float64)
                pattern = (0.4 + 0.6 * torch.cos(1 + 2 * y + 3 * x)) / math.sqrt(rows * columns)
                layer.weight.copy_(pattern.expand_as(layer.weight) / layer.weight.shape[1])
                if layer.bias is not None:
                    layer.bias.fill_(0.05)
    return module


def recipe_images(shape):
    n, c, y, x = (torch.arange(size, dtype=torch.float64) for size in shape)
    grid_ = 11 * n[:, None, None, None] + 5 * c[:, None, None] + 3 * y[:, None] + 7 * x
    return (grid_ % 23) / 22


@pytest.mark.parametrize("mode", ["fast", "original"])
def test_parameter_counts(vectors, mode):
    expected = vector(vectors, "parameter_counts")["expected"]
    assert count(abstract(mode)) == expected[f"hovernet_{mode}_no_type"]
    assert count(abstract(mode, 5)) == expected[f"hovernet_{mode}_5_types"]
    assert count(abstract(mode, 6)) == expected[f"hovernet_{mode}_6_types"]
    network = abstract(mode)
    encoder = count(network.encoder) + count(network.bottom)
    assert encoder == expected["hovernet_encoder_plus_conv_bot"]
    branch = network.branches["np"]
    parts = {name: count(getattr(branch, name)) for name in ("u3", "u2", "u1")}
    parts["u0"] = count(branch.u0.head) + count(branch.u0.norm)
    assert parts == expected[f"hovernet_np_branch_{mode}"]


def test_the_padded_encoder_is_a_resnet50():
    resnet = 23_508_032  # torchvision's, without its classifier
    assert count(abstract("same").encoder) == resnet + 64  # the bias of the stem


@pytest.mark.parametrize("mode", ["fast", "original"])
def test_output_sizes(vectors, mode):
    network = abstract(mode)
    for side, expected in vector(vectors, "output_sizes")["expected"][mode].items():
        assert shapes(network, int(side), int(side))["np"] == (1, 2, expected, expected)


@pytest.mark.parametrize(("mode", "side"), [("fast", 256), ("original", 270)])
def test_intermediate_sizes(vectors, mode, side):
    expected = vector(vectors, "output_sizes")["expected"][f"intermediate_{mode}_{side}"]
    paths = {
        "conv0": "encoder.stem",
        **{f"d{level}": f"encoder.d{level}" for level in range(4)},
        "conv_bot": "bottom",
        "u3_conva": "branches.np.u3.conv",
        "u3_dense": "branches.np.u3.dense",
        "u2_conva": "branches.np.u2.conv",
        "u2_dense": "branches.np.u2.dense",
        "u1": "branches.np.u1",
        "u0": "branches.np.u0",
    }
    assert paths.keys() == expected.keys()
    network = abstract(mode)
    for name, path in paths.items():
        _, features = with_tap(network, path, torch.empty(1, 3, side, side, device="meta"))
        channels, size = expected[name]
        assert tuple(features.shape) == (1, channels, size, size), name


@pytest.mark.parametrize(
    ("name", "mode", "out_channels"),
    [("fast_notype", "fast", 1), ("original_notype", "original", 1), ("fast_type6", "fast", 6)],
)
def test_fingerprint(vectors, name, mode, out_channels):
    entry = vector(vectors, f"fingerprint_hovernet_{name}")
    network = recipe(HoVerNet(3, out_channels, mode=mode))
    with torch.no_grad():
        output = network(recipe_images(entry["input"]["shape"]))
    assert output.keys() == entry["expected"].keys()
    for branch, expected in entry["expected"].items():
        values = output[branch]
        height, width = values.shape[-2:]
        found = {
            "mean": values.mean(),
            "std_population": values.std(correction=0),
            "min": values.min(),
            "max": values.max(),
            "at_[0,0,0,0]": values[0, 0, 0, 0],
            "at_[0,0,1,2]": values[0, 0, 1, 2],
            "at_[0,0,H//2,W//3]": values[0, 0, height // 2, width // 3],
            "at_[0,0,H-1,W-1]": values[0, 0, height - 1, width - 1],
        }
        assert list(values.shape) == expected["shape"]
        for key, value in found.items():
            assert float(value) == pytest.approx(expected[key], abs=entry["abs_tol"]), key


def freeze(network, paths):
    for path in paths:
        network.get_submodule(path).requires_grad_(False)


@pytest.fixture(scope="module")
def trained_frozen():
    """A fast network after one backward pass in training mode, frozen as the release does."""
    network = HoVerNet(3, 1).train()
    freeze(network, cards.HOVERNET.freeze["reference"])
    output = network(torch.rand(1, 3, 96, 96))
    sum(values.square().sum() for values in output.values()).backward()
    return network


def test_freezing_is_that_of_the_reference(vectors, trained_frozen):
    expected = vector(vectors, "freeze_semantics")["expected"]
    got = {name: p for name, p in trained_frozen.named_parameters() if p.grad is not None}
    assert sum(p.numel() for p in got.values()) == expected["n_params_with_grad_no_type_fast"]
    parts = {".".join(name.split(".")[:3]) for name in got if name.startswith("encoder")}
    assert parts == {"encoder.stem.0", "encoder.stem.1", "encoder.d0.shortcut", "encoder.d0.close"}
    moved = {
        name
        for name, value in trained_frozen.named_buffers()
        if name.endswith("running_mean") and float(value.abs().max()) > 0
    }
    assert any(name.startswith("encoder.d3.units") for name in moved)
    assert any(name.startswith("encoder.d0.units") for name in moved)


def test_frozen_groups_keep_no_graph_unless_the_images_want_a_gradient():
    network = HoVerNet(3, 1).train()
    freeze(network, cards.HOVERNET.freeze["full"])
    images = torch.rand(1, 3, 96, 96)
    assert not any(level.requires_grad for level in network.encoder(images))
    assert all(level.requires_grad for level in network.encoder(images.requires_grad_()))


def test_every_parameter_is_trained_and_survives_half_precision():
    network = HoVerNet(3, 3, mode="same").train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(torch.rand(1, 3, 16, 24))
        total = sum(values.float().square().sum() for values in output.values())
    total.backward()
    assert {name: v.shape[1:] for name, v in output.items()} == {
        "tp": (3, 16, 24),
        "np": (2, 16, 24),
        "hv": (2, 16, 24),
    }
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(
    ("mode", "side", "legal"),
    [
        ("fast", 250, "248 or 256"),
        ("fast", 88, "set tile to 96"),
        ("original", 256, "254 or 262"),
        ("same", 100, "96 or 104"),
    ],
)
def test_wrong_sizes_name_the_legal_ones(mode, side, legal):
    with pytest.raises(DataError, match=legal):
        abstract(mode)(torch.empty(1, 3, side, side, device="meta"))


@pytest.mark.parametrize("mode", ["fast", "original", "same"])
def test_the_least_size_works_and_shrinks_as_told(mode):
    sizes = SIZES[mode]
    assert sizes.allows(sizes.min)
    output = shapes(abstract(mode, 4), sizes.min, sizes.min + 8)
    expected = (sizes.min - sizes.shrink, sizes.min + 8 - sizes.shrink)
    assert {values[2:] for values in output.values()} == {expected}


def test_unknown_modes_name_the_known_ones():
    with pytest.raises(UnknownName, match="original"):
        HoVerNet(3, 1, mode="orginal")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_cards_say_what_is_true(card):
    assert card.sizes == SIZES[card.options["mode"]]
    assert isinstance(load_object(card.head, card.name)(), Head)
    network = abstract(**card.options)
    for paths in card.freeze.values():
        for path in paths:
            assert count(network.get_submodule(path)) > 0
    side = card.sizes.min
    images = torch.empty(1, 3, side, side, device="meta")
    for name, path in card.taps.items():
        output, features = with_tap(network, path, images)
        channels = {"bottleneck": 1024, "decoder_last": 64, "np_tap": 64, "u1": 64, "dec1": 64}
        channels |= {"enc1": 256, "enc2": 512, "enc3": 1024, "enc4": 2048, "dec2": 256, "dec3": 512}
        assert features.shape[1] == channels[name] // card.options["narrow"]
    output, features = with_tap(network, card.taps["decoder_last"], images)
    assert features.shape[2:] == output["np"].shape[2:]
    assert card.taps["np_tap"] == card.taps["decoder_last"]


def test_the_tap_enters_the_last_convolution():
    network = HoVerNet(3, 1, mode="same").eval()
    path = cards.HOVERNET_SAME.taps["np_tap"]
    with torch.no_grad():
        output, features = with_tap(network, path, torch.rand(1, 3, 16, 16))
        assert torch.equal(network.branches["np"].u0.head(features), output["np"])
    assert float(features.min()) >= 0


def test_patch_counts(vectors):
    expected = vector(vectors, "patch_counts")["expected"]
    windows = {
        "consep_original": (1000, 270, cards.HOVERNET_ORIGINAL.sizes),
        "consep_fast": (1000, 256, cards.HOVERNET.sizes),
        "img_512_fast": (512, 256, cards.HOVERNET.sizes),
    }
    for name, (side, window, sizes) in windows.items():
        assert len(grid(side, side, window, 0, sizes)) == expected["per_image"][name]
    for images, key in ((27, "consep_train_27_images"), (14, "consep_test_14_images")):
        for step in (80, 164):
            tiles = len(grid(1000, 1000, 540, 0, Sizes(shrink=540 - step)))
            assert images * tiles == expected[key][f"step{step}"]


def test_the_small_one_is_the_same_with_a_quarter_of_the_channels():
    spec = cards.HOVERNET_SMALL
    small = HoVerNet(3, 1, **spec.options).eval()
    whole = HoVerNet(3, 1, mode="fast")
    assert [name for name, _ in small.named_parameters()] == [
        name for name, _ in whole.named_parameters()
    ]
    million = sum(p.numel() for p in small.parameters()) / 1e6
    assert f"{million:.1f} M" in spec.summary
    with torch.inference_mode():
        maps = small(torch.zeros(1, 3, 104, 112))
    assert {name: tuple(m.shape) for name, m in maps.items()} == {
        name: (1, 2, 12, 20) for name in ("np", "hv")
    }
