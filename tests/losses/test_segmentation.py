"""The foreground losses against reference values, by hand and under autocast."""

from __future__ import annotations

import math

import pytest
import torch

from histokit.losses.segmentation import bce_dice, dice_loss, full_precision


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def test_reference_values(vectors):
    entry = vector(vectors, "mani_seg_loss")
    logits = torch.tensor(entry["input"]["logits"])
    truth = torch.tensor(entry["input"]["target"])
    terms = bce_dice(logits, truth)
    expected = entry["expected"]
    assert float(terms["bce"]) == pytest.approx(expected["bce"], abs=entry["abs_tol"])
    assert float(terms["dice"]) == pytest.approx(expected["dice_loss"], abs=entry["abs_tol"])
    assert float(sum(terms.values())) == pytest.approx(expected["total"], abs=entry["abs_tol"])


def test_per_sample_and_pooled_by_hand():
    sure = 100.0
    logits = torch.tensor([[[[sure, -sure]]], [[[sure, sure]]]])
    truth = torch.tensor([[[[1.0, 1.0]]], [[[1.0, 1.0]]]])
    assert float(dice_loss(logits, truth)) == pytest.approx(1 - (3 / 4 + 5 / 5) / 2)
    assert float(dice_loss(logits, truth, per_sample=False)) == pytest.approx(1 - 7 / 8)
    assert float(dice_loss(logits, truth, smooth=0)) == pytest.approx(1 - (2 / 3 + 1) / 2)


def test_two_empty_maps_cost_nothing():
    logits = torch.full((2, 1, 4, 4), -math.inf)
    assert float(dice_loss(logits, torch.zeros(2, 1, 4, 4))) == 0.0


def test_boolean_truth_is_taken():
    logits = torch.randn(1, 1, 4, 4)
    truth = torch.rand(1, 1, 4, 4) > 0.5
    assert torch.equal(bce_dice(logits, truth)["dice"], bce_dice(logits, truth.float())["dice"])


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(half):
    logits = torch.ones(1, 1, 512, 512, dtype=half)
    truth = torch.ones(1, 1, 512, 512)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = bce_dice(logits, truth)
    pixels = 512 * 512
    share = 1 / (1 + math.exp(-1))
    assert terms["dice"].dtype == terms["bce"].dtype == torch.float32
    expected = 1 - (2 * share * pixels + 1) / (share * pixels + pixels + 1)
    assert float(terms["dice"]) == pytest.approx(expected, abs=1e-5)


def test_full_precision_leaves_wide_types_alone():
    assert full_precision(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    assert full_precision(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
