"""The segmentation losses against the reference values."""

from __future__ import annotations

import pytest
import torch

from histokit_fdloss.segmentation import segmentation_terms

TOTALS = {
    "dice+bce": "paper_total",
    "dice+iou": "released_dice_plus_iou",
    "dice+bce-twice": "released_cmunet_dice_plus_double_sigmoid_bce",
    "cmunet": "cmunet_repo_total",
    "jimenez": "jimenez_total",
    "nucleisegnet": "nucleisegnet_repo_loss",
}


def entry_of(vectors):
    return next(e for e in vectors("fdloss")["vectors"] if e["name"] == "seg_losses")


def example(vectors):
    given = entry_of(vectors)["input"]
    probability = torch.tensor(given["prob"], dtype=torch.float64)
    return torch.logit(probability), torch.tensor(given["target"], dtype=torch.float64)


@pytest.mark.parametrize(("kind", "key"), TOTALS.items(), ids=TOTALS)
def test_totals(vectors, kind, key):
    entry = entry_of(vectors)
    terms = segmentation_terms(kind, *example(vectors))
    wanted = entry["expected"][key]
    assert float(sum(terms.values())) == pytest.approx(wanted, abs=entry["abs_tol"])


def test_terms(vectors):
    entry = entry_of(vectors)
    expected, tolerance = entry["expected"], entry["abs_tol"]
    logits, truth = example(vectors)
    terms = segmentation_terms("dice+bce", logits, truth)
    dice = 1 - float(terms["dice"])
    assert dice == pytest.approx(expected["dice_batch_eps1e-7"], abs=tolerance)
    assert float(terms["bce"]) == pytest.approx(expected["bce"], abs=tolerance)
    literal = float(terms["bce"]) - 1e-7
    assert literal == pytest.approx(expected["eq4_literal_with_plus_eps_inside_sum"], abs=1e-10)
    each = [
        1 - float(segmentation_terms("cmunet", logits[i : i + 1], truth[i : i + 1])["dice"])
        for i in range(2)
    ]
    assert each == pytest.approx(expected["per_sample_dice_eps1e-5"], abs=tolerance)


def test_a_dice_for_each_sample():
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.7).float()
    found = segmentation_terms("dice+bce", logits, truth, per_sample=True)["dice"]
    each = [
        segmentation_terms("dice+bce", logits[i : i + 1], truth[i : i + 1])["dice"]
        for i in range(2)
    ]
    assert torch.isclose(found, sum(each) / 2)


@pytest.mark.parametrize("kind", TOTALS)
@pytest.mark.parametrize("level", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_always_finite(kind, level, share):
    logits = torch.full((2, 1, 4, 4), level, requires_grad=True)
    total = sum(segmentation_terms(kind, logits, torch.full((2, 1, 4, 4), share)).values())
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(logits.grad).all()
