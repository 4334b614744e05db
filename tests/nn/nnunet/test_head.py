"""The head of the planned U-Net: its loss by hand, weights, truth at each size, and objects."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from histokit.errors import ContractError, DataError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.segmenter import Maps
from histokit.losses.segmentation import NO_CLASS
from histokit.nn.nnunet.head import SemanticHead, ce_dice_pooled, shrunk, supervision_weights

HEAD = SemanticHead()


def batch(ids, classes=None):
    ids = torch.as_tensor(ids, dtype=torch.int32)
    kinds = None if classes is None else torch.as_tensor(classes).long()
    keys = tuple(f"toy/{i}" for i in range(len(ids)))
    return Labelled(torch.zeros(len(ids), 3, *ids.shape[1:]), ids, kinds, keys)


def rings():
    """Ids and classes [1 32 64] of two axons (2), each in myelin (1) that touches the other's."""
    rows, columns = np.mgrid[:32, :64]
    kinds = np.zeros((32, 64), np.int64)
    for centre in (18, 44):
        distance = (rows - 16) ** 2 + (columns - centre) ** 2
        kinds[distance < 14**2] = 1
    for centre in (18, 44):
        kinds[(rows - 16) ** 2 + (columns - centre) ** 2 < 8**2] = 2
    return (kinds > 0).astype(np.int32)[None], kinds[None]


def logits_of(kinds, count=3, sure=20.0):
    return sure * functional.one_hot(torch.as_tensor(kinds), count).movedim(-1, 1).float()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_weights_halve_and_add_up_to_one(count):
    weights = supervision_weights(count)
    assert sum(weights) == pytest.approx(1)
    assert all(a == pytest.approx(2 * b) for a, b in pairwise(weights))


def test_weights_are_those_of_nnunet():
    """Six maps there, the lowest of weight 0: 1, 1/2, 1/4, 1/8, 1/16 over their sum."""
    assert supervision_weights(5) == pytest.approx([16 / 31, 8 / 31, 4 / 31, 2 / 31, 1 / 31])


def plain_loss(logits, truth):
    """The same in loops, in double precision."""
    logits, truth = logits.double().numpy(), truth.numpy()
    count = logits.shape[1]
    over, total, ce, pixels = np.zeros(count), np.zeros(count), 0.0, 0
    for b, row, column in np.ndindex(truth.shape):
        if truth[b, row, column] == NO_CLASS:
            continue
        powers = [math.exp(v) for v in logits[b, :, row, column]]
        share = np.array(powers) / sum(powers)
        true = np.eye(count)[truth[b, row, column]]
        over, total = over + share * true, total + share + true
        ce, pixels = ce - math.log(share[truth[b, row, column]]), pixels + 1
    dice = (2 * over + 1e-5) / (total + 1e-5)
    return {"ce": ce / pixels, "dice": 1 - dice[1:].mean()}


def test_loss_is_the_written_out_one():
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 3, 5, 4), torch.randint(NO_CLASS, 3, (2, 5, 4))
    found = ce_dice_pooled(logits, truth)
    for name, value in plain_loss(logits, truth).items():
        assert float(found[name]) == pytest.approx(value, abs=1e-5)


def test_one_map_is_two_whose_background_is_zero():
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 1, 5, 4), torch.randint(0, 2, (2, 5, 4))
    both = ce_dice_pooled(torch.cat((torch.zeros_like(logits), logits), 1), truth)
    assert ce_dice_pooled(logits, truth) == both
    bce = functional.binary_cross_entropy_with_logits(logits[:, 0], truth.float())
    assert float(both["ce"]) == pytest.approx(float(bce), abs=1e-6)


def test_losses_weigh_the_resolutions():
    torch.manual_seed(0)
    ids, kinds = rings()
    maps = [torch.randn(1, 3, 32 >> k, 64 >> k) for k in range(3)]
    found = HEAD.losses(tuple(maps), batch(ids, kinds))
    truths = [torch.as_tensor(kinds)[:, s // 2 :: s, s // 2 :: s] for s in (1, 2, 4)]
    terms = [ce_dice_pooled(m, t) for m, t in zip(maps, truths, strict=True)]
    for name in ("ce", "dice"):
        expected = sum(
            w * float(t[name]) for w, t in zip((4 / 7, 2 / 7, 1 / 7), terms, strict=True)
        )
        assert float(found[name]) == pytest.approx(expected, abs=1e-6)


def test_losses_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = (torch.zeros(1, 1, 8, 8).bfloat16(), torch.zeros(1, 1, 4, 4).bfloat16())
        terms = HEAD.losses(output, batch(torch.ones(1, 8, 8)))
    assert {term.dtype for term in terms.values()} == {torch.float32}


def test_pixels_without_a_class_count_for_nothing():
    ids, kinds = rings()
    unknown = np.where(kinds == 2, 0, kinds)
    assert float(HEAD.losses(logits_of(kinds), batch(ids, unknown))["ce"]) < 1e-3
    nothing = HEAD.losses(logits_of(kinds), batch(np.ones_like(ids), np.zeros_like(kinds)))
    assert float(nothing["ce"]) == 0
    assert float(nothing["dice"]) == 0


def test_shrunk_takes_the_middle():
    truth = torch.arange(64).reshape(1, 8, 8)
    assert shrunk(truth, torch.zeros(1, 1, 2, 2)).tolist() == [[[18, 22], [50, 54]]]
    with pytest.raises(ContractError, match="does not fit"):
        shrunk(truth, torch.zeros(1, 1, 3, 3))


def test_foreground_and_truth_are_of_the_finest_map():
    ids, kinds = rings()
    output = (logits_of(kinds), torch.zeros(1, 3, 16, 32))
    assert torch.equal(HEAD.foreground(output) > 0, torch.as_tensor(ids)[:, None] > 0)
    assert torch.equal(HEAD.truth(batch(ids), output), torch.as_tensor(ids)[:, None].float())
    assert torch.equal(HEAD.foreground(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_classes_are_decoded_by_connected_pieces():
    _, kinds = rings()
    found = HEAD.decode(HEAD.maps(logits_of(kinds)))
    assert found.classes == {1: 1, 2: 2, 3: 2}  # the two rings of myelin touch
    assert np.array_equal(found.ids > 0, kinds[0] > 0)
    assert all(score == pytest.approx(1, abs=1e-4) for score in found.scores.values())


def test_specks_are_no_objects():
    kinds = np.zeros((1, 16, 16), np.int64)
    kinds[0, 2:5, 2:5] = 1
    assert not HEAD.decode(HEAD.maps(logits_of(kinds))).ids.any()


def test_one_map_is_split_by_watershed():
    rows, columns = np.mgrid[:40, :60]
    discs = [(rows - 20) ** 2 + (columns - c) ** 2 < 120 for c in (20, 39)]
    logits = torch.where(torch.from_numpy(discs[0] | discs[1]), 8.0, -8.0)[None, None]
    assert HEAD.decode(HEAD.maps(logits)).ids.max() == 2


@pytest.mark.parametrize("output", [{"np": 1}, (), torch.zeros(1, 4, 4), [torch.zeros(4, 4)]])
def test_other_outputs_are_refused(output):
    with pytest.raises(ContractError, match="no logit maps"):
        HEAD.maps(output)


def test_batches_and_foreign_classes_are_refused():
    with pytest.raises(ContractError, match="one image"):
        HEAD.decode(Maps(torch.zeros(2, 1, 4, 4), "sigmoid"))
    with pytest.raises(DataError, match="classes that the network is to learn"):
        HEAD.losses(torch.zeros(1, 3, 4, 4), batch(torch.ones(1, 4, 4)))
