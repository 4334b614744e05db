"""`nnunet-plain`: its settings, what a step does, mirroring, and what it learns on toys."""

from __future__ import annotations

import copy

import pytest
import torch
from pydantic import ValidationError

from histokit.errors import ConfigError
from histokit.interfaces import Access, Feed, Labelled, Network
from histokit.nn.nnunet.card import NNUNET_PLAIN as NETWORK
from histokit.nn.nnunet.head import SemanticHead
from histokit.nn.nnunet.mirrored import Mirrored
from histokit.nn.nnunet.network import PlannedUNet
from histokit.training.updater import Updater
from histokit_baselines import NNUNET_PLAIN

SIDE = 32


class ToyContext:
    """A context on the CPU that knows one network."""

    device = torch.device("cpu")
    precision = "32-true"
    seed = 0
    tile = SIDE
    mpp = None

    def __init__(self, channels=3, classes=()):
        torch.manual_seed(0)
        self.channels = channels
        self.classes = classes
        self.outputs = len(classes) + 1 if classes else 1
        self.asked = {}

    def network(self, name, in_channels, out_channels, **options):
        assert name == NETWORK.name
        module = PlannedUNet(in_channels, out_channels, **{**NETWORK.options, **options})
        return Network(name, module, SemanticHead(), NETWORK.taps, NETWORK.sizes)

    def updater(self, modules, lr, **options):
        self.asked = {"lr": lr, **options}
        return Updater(modules, lr, **options)


def build(context=None, **settings):
    settings = {"tile": SIDE, "width": 4, "steps": 30, "batch": 4} | settings
    return NNUNET_PLAIN.load().build(NNUNET_PLAIN.config(**settings), context or ToyContext())


def discs(channels=3, classes=False):
    """Four images of a dark disc, and with classes of a grey one of another class."""
    y, x = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    ids = torch.zeros(4, SIDE, SIDE, dtype=torch.int32)
    for sample in range(4):
        ids[sample][(y - 9 - sample) ** 2 + (x - 9) ** 2 < 36] = 1
        ids[sample][(y - 20) ** 2 + (x - 23 + sample) ** 2 < 36] = 2
    shade = torch.tensor([0.9, 0.2, 0.5 if classes else 0.2])[ids.long()]
    noise = 0.05 * torch.rand(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    images = (shade[:, None] + noise).expand(-1, channels, -1, -1).contiguous()
    return Labelled(images, ids, ids.long() if classes else None, ("a", "b", "c", "d"))


def weights(method):
    return [p.detach().clone() for p in method.network.module.parameters()]


def test_the_defaults_are_those_of_nnunet():
    context = ToyContext()
    method = NNUNET_PLAIN.load().build(NNUNET_PLAIN.config(width=1), context)
    schedule = context.asked.pop("schedule")
    assert context.asked == {"lr": 0.01, "optimiser": "sgd", "weight_decay": 3e-5, "clip": 12.0}
    assert schedule(125_000) == pytest.approx(0.5**0.9)
    config = method.config
    assert (config.steps, config.batch, config.tile) == (1000 * 250, 12, 512)
    assert (config.oversample, config.mirror, config.channels) == (0.33, True, 3)
    assert len(method.network.module.encoder) + 1 == 8
    assert [(p.feed, p.steps) for p in method.phases()] == [(Feed.LABELLED, 250_000)]


def test_the_card_and_its_presets_can_be_built():
    assert NNUNET_PLAIN.access is Access.SOURCE
    for preset in NNUNET_PLAIN.presets.values():
        method = NNUNET_PLAIN.load().build(
            NNUNET_PLAIN.config(**{**preset.overrides, "width": 1}), ToyContext()
        )
        assert method.segmenter().sizes.allows(method.config.tile)


def test_a_tile_that_cannot_be_halved_is_told():
    with pytest.raises(ConfigError, match="without remainder") as caught:
        build(tile=100)
    assert caught.value.hint == "--tile 112"


@pytest.mark.parametrize(("channels", "classes"), [(3, ()), (1, ("myelin", "axon"))], ids=str)
def test_it_learns_toys(channels, classes):
    method = build(ToyContext(channels, classes), channels=channels, width=8, steps=30, lr=0.03)
    batch = discs(channels, bool(classes))
    for _ in range(30):
        losses = method.train_step(batch)
    assert set(losses) == {"ce", "dice", "seg"}
    assert all(not v.requires_grad and torch.isfinite(v) for v in losses.values())
    method.network.module.eval()
    segmenter = method.segmenter()
    assert segmenter.channels == channels
    with torch.inference_mode():
        maps = segmenter.segment(batch.images)
    if classes:
        right = maps.logits.argmax(1) == batch.classes
    else:
        right = (maps.logits[:, 0] > 0) == (batch.ids > 0)
    assert float(right.float().mean()) > 0.97


def test_mirroring_is_the_mean_over_flips():
    network = build().network
    network.module.eval()
    segmenter = Mirrored(network, 3, NETWORK.sizes)
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        logits = segmenter.segment(images).logits
        by_hand = [
            network(images),
            network(images.flip(-1)).flip(-1),
            network(images.flip(-2)).flip(-2),
            network(images.rot90(2, (2, 3))).rot90(2, (2, 3)),
        ]
        mirrored = segmenter.segment(images.flip(-1)).logits.flip(-1)
        single = torch.cat([segmenter.segment(image[None]).logits for image in images])
    assert torch.allclose(logits, torch.stack(by_hand).mean(0), atol=1e-5)
    assert torch.allclose(logits, mirrored, atol=1e-5)
    assert torch.allclose(logits, single, atol=1e-5)
    assert not torch.allclose(logits, by_hand[0], atol=1e-3)


def test_mirroring_can_be_left_out():
    method = build(mirror=False)
    method.network.module.eval()
    images = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert torch.equal(method.segmenter().segment(images).logits, method.network(images))


def test_a_restored_method_goes_on_as_if_it_had_never_stopped():
    method, other = build(), build(lr=0.01)
    for _ in range(3):
        method.train_step(discs())
    for part, thing in method.stateful().items():
        other.stateful()[part].load_state_dict(copy.deepcopy(thing.state_dict()))
    for one in (method, other):
        one.train_step(discs())
    assert all(torch.equal(a, b) for a, b in zip(weights(method), weights(other), strict=True))


def test_planned_windows_are_0_until_they_are_planned():
    config = NNUNET_PLAIN.config
    assert (config(tile=0, batch=0).tile, config(tile=0).batch) == (0, 12)
    for wrong, told in (({"tile": 4}, "0 plans it"), ({"batch": 0}, "with tile 0 only")):
        with pytest.raises(ValidationError, match=told):
            config(**wrong)
