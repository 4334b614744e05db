"""The terms of the generator, the maps they compare, and the schedule of their weights."""

from __future__ import annotations

import pytest
import torch

from histokit.errors import DataError
from histokit_ostrich import losses
from histokit_ostrich.generator import Split
from histokit_ostrich.losses import (
    bounded,
    embedding_transport,
    independence,
    logits,
    patch_transport,
    range_guard,
    supervised,
    swap,
    transport_cost,
)
from histokit_ostrich.maps import foreground, jittered, signed_distance, targets, two_valued
from histokit_ostrich.schedule import FIRST_RATE, LAST_RATE, faded, plan


def discs(seed, count=8, side=32):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 1, side // 4, side // 4, generator=generator) > 0.8).float()


def maps(seed, radius=1):
    return 2 * torch.nn.functional.max_pool2d(discs(seed), 2 * radius + 1, 1, radius) - 1


def test_supervised(vector):
    entry = vector("supervised_loss")
    s, m = (torch.tensor(entry[key], dtype=torch.float64).view(1, 1, 2, 2) for key in "sm")
    assert torch.sigmoid(logits(s)).flatten().tolist() == pytest.approx(entry["prob"], abs=1e-12)
    assert float(supervised(s, 2 * m - 1, m)) == pytest.approx(entry["sum"], abs=1e-9)
    assert entry["soft_dice_loss"] + entry["huber"] == pytest.approx(entry["sum"])


def test_signed_distance(vector):
    entry = vector("sdt_target")
    mask = torch.tensor(entry["mask"]).float()[None, None]
    found = targets(mask, "sdt")[0, 0]
    assert torch.allclose(found, torch.tensor(entry["target"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_signed_distance_without_an_edge(value):
    mask = torch.full((2, 1, 4, 4), value)
    assert torch.equal(signed_distance(mask), 2 * mask - 1)


def test_no_masks_give_no_maps():
    assert signed_distance(torch.zeros(0, 1, 4, 4)).shape == (0, 1, 4, 4)


def test_binary_targets_and_their_noise():
    mask = foreground(torch.tensor([[[0, 3], [1, 0]]]))
    assert targets(mask, "binary").flatten().tolist() == [-1, 1, 1, -1]
    noisy = jittered(torch.zeros(1, 1, 64, 64))
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("white", [255, 1, 7])
def test_masks_of_two_values_pass(white):
    mask = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    assert torch.equal(two_valued(mask * white / 255), mask)
    assert float(two_valued(torch.zeros(1, 1, 2, 2)).max()) == 0


@pytest.mark.parametrize("values", [[0, 1, 2, 3], [0, 128, 255, 255], [128, 255, 128, 255]])
def test_other_masks_are_told_with_their_values(values):
    mask = torch.tensor(values).float().view(1, 1, 2, 2) / 255
    with pytest.raises(DataError, match=f"found: {values[0]}, {values[1]}"):
        two_valued(mask)


def test_swapping_in_the_own_map_gives_the_image_back(small):
    generator = small()
    images = torch.rand(2, 3, 13, 16)
    lifted = generator.lifted(images)
    with torch.no_grad():
        split = generator.split(lifted, (13, 16))
        own = Split(split.map, split.embedding, (16, 16))
        assert float(swap(generator, own, split.map, lifted)) < 1e-10
        assert float(swap(generator, split, -split.cropped(), lifted)) > 1e-3


def test_patches_tell_laws_apart_and_not_pairs():
    torch.manual_seed(0)
    same = patch_transport(maps(1), maps(2))
    other = patch_transport(maps(1), maps(2, radius=2))
    shuffled = patch_transport(maps(1), maps(1).flip(0))
    assert float(other) > 2 * float(same)
    assert float(shuffled) < float(same)


@pytest.mark.parametrize("cost", ["gaussian", "pot", "sinkhorn"])
def test_the_embedding_is_drawn_to_the_normal_law(cost, monkeypatch):
    monkeypatch.setattr(losses, "BLOCKS", 128)
    torch.manual_seed(0)
    normal = torch.randn(4, 2, 16, 16)
    expected = float(embedding_transport(normal, cost))
    for wrong in (normal + 2, 3 * normal, normal[:, :1].expand(-1, 2, -1, -1)):
        given = wrong.clone().requires_grad_()
        found = embedding_transport(given, cost)
        assert float(found.detach()) > expected + 0.05
        (slope,) = torch.autograd.grad(found, given)
        assert bool(torch.isfinite(slope).all())


def test_independence_sees_a_map_that_leaks():
    torch.manual_seed(0)
    given = maps(1)
    noise = torch.randn(8, 2, 8, 8)
    apart = float(independence(given, noise))
    leaking = float(independence(given, torch.cat((given, noise[:, 1:]), 1)))
    assert leaking > 5 * apart


def test_cost_and_range():
    lifted = torch.randn(2, 3, 8, 8)
    assert float(transport_cost(lifted[:, :1], lifted)) == 0
    assert float(transport_cost(lifted[:, :1] + 0.5, lifted)) == pytest.approx(0.5)
    assert float(range_guard(torch.tensor([1.9, -3.0]))) == pytest.approx(0.5)
    assert float(bounded(torch.tensor(100.0))) == pytest.approx(1.5)
    assert float(bounded(torch.tensor(0.1))) == pytest.approx(0.1, rel=1e-2)


def test_learning_rates():
    paired, unpaired = plan("paired", 1000, 100), plan("unpaired", 1000, 100)
    assert paired.factor(0) == pytest.approx(0.01)
    assert paired.factor(100) == 1
    assert paired.factor(1000) * FIRST_RATE == pytest.approx(LAST_RATE)
    assert [unpaired.factor(done) for done in (0, 499, 500, 999)] == [1, 1, 0.5, 0.5]
    assert plan("paired", 10, 0).factor(0) == 1


def test_the_cost_fades():
    assert [faded(done, 10) for done in (0, 5, 10, 99)] == pytest.approx([1, 0.6, 0.2, 0.2])
