"""The foreground head: losses, truth, maps and objects, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histokit.errors import ContractError, DataError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.segmenter import Maps
from histokit.nn.heads import ClassHead, ForegroundHead

HEAD = ForegroundHead()


def batch(ids):
    ids = torch.as_tensor(ids, dtype=torch.int32)
    keys = tuple(f"toy/{i}" for i in range(len(ids)))
    return Labelled(torch.zeros(len(ids), 3, *ids.shape[1:]), ids, None, keys)


def test_losses_match_the_reference(vectors):
    entry = next(e for e in vectors("mani")["vectors"] if e["name"] == "mani_seg_loss")
    logits = torch.tensor(entry["input"]["logits"])
    ids = 7 * torch.tensor(entry["input"]["target"])[:, 0].int()
    terms = HEAD.losses(logits, batch(ids))
    assert set(terms) == {"bce", "dice"}
    assert float(sum(terms.values())) == pytest.approx(entry["expected"]["total"], abs=1e-6)


def test_losses_are_float32_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = HEAD.losses(
            torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16), batch(torch.ones(1, 4, 4))
        )
    assert {term.dtype for term in terms.values()} == {torch.float32}


def test_truth_is_any_object():
    truth = HEAD.truth(batch([[[0, 1], [300, 0]]]), torch.zeros(1, 1, 2, 2))
    assert truth.dtype == torch.float32
    assert truth.tolist() == [[[[0.0, 1.0], [1.0, 0.0]]]]


def test_truth_is_cut_to_the_centre():
    ids = torch.arange(36).reshape(1, 6, 6)
    ids[:, 1:5, 1:5] = 0
    assert HEAD.truth(batch(ids), torch.zeros(1, 1, 4, 4)).sum() == 0
    assert HEAD.truth(batch(ids), torch.zeros(1, 1, 6, 6)).sum() == 19


def test_truth_smaller_than_the_output_is_refused():
    with pytest.raises(ContractError, match="larger than its truth"):
        HEAD.truth(batch(torch.zeros(1, 4, 4)), torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("output", [torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), {"np": 1}])
def test_other_outputs_are_refused(output):
    with pytest.raises(ContractError, match="one foreground map"):
        HEAD.foreground(output)


def test_maps_are_logits_in_float32():
    logits = torch.randn(2, 1, 4, 4, dtype=torch.bfloat16)
    maps = HEAD.maps(logits)
    assert maps.activation == "sigmoid"
    assert maps.logits.dtype == torch.float32
    assert torch.equal(maps.logits, logits.float())


def test_two_discs_are_two_objects():
    y, x = np.mgrid[:40, :60]
    first = (y - 20) ** 2 + (x - 15) ** 2 < 81
    second = (y - 20) ** 2 + (x - 44) ** 2 < 81
    logits = torch.where(torch.from_numpy(first | second), 8.0, -8.0)[None, None]
    found = HEAD.decode(HEAD.maps(logits))
    assert sorted(np.unique(found.ids)) == [0, 1, 2]
    assert np.array_equal(found.ids > 0, first | second)


def test_a_batch_is_not_decoded():
    with pytest.raises(ContractError, match="one image"):
        HEAD.decode(Maps(torch.zeros(2, 1, 4, 4), "sigmoid"))


def classed(ids, classes):
    plain = batch(ids)
    return Labelled(plain.images, plain.ids, torch.as_tensor(classes).long(), plain.keys)


def two_discs():
    """Ids and classes [1 24 48] of two far discs, of class 2 and 1."""
    rows, columns = np.mgrid[:24, :48]
    ids = np.zeros((1, 24, 48), np.int32)
    ids[0][(rows - 12) ** 2 + (columns - 12) ** 2 < 64] = 1
    ids[0][(rows - 12) ** 2 + (columns - 34) ** 2 < 64] = 2
    return ids, np.array([0, 2, 1])[ids]


def logits_of(classes, sure=20.0):
    hot = torch.nn.functional.one_hot(torch.as_tensor(classes), 3).movedim(-1, 1).float()
    return sure * hot


def test_classes_are_learned_and_read_again():
    ids, classes = two_discs()
    output = logits_of(classes)
    terms = ClassHead().losses(output, classed(ids, classes))
    assert float(sum(terms.values())) == pytest.approx(0, abs=1e-3)
    wrong = ClassHead().losses(output, classed(ids, np.array([0, 1, 2])[ids]))
    assert float(wrong["ce"]) > 1
    assert float(wrong["dice"]) > 0.9
    found = ClassHead().decode(ClassHead().maps(output))
    assert np.array_equal(found.ids > 0, ids[0] > 0)
    assert found.classes == {1: 2, 2: 1}


def test_the_foreground_of_classes_is_any_of_them():
    ids, classes = two_discs()
    output = logits_of(classes)
    assert torch.equal(ClassHead().foreground(output) > 0, torch.as_tensor(ids)[:, None] > 0)


def test_objects_without_a_class_are_not_counted():
    ids, classes = two_discs()
    output = logits_of(classes)
    unknown = np.where(ids == 2, 0, classes)
    terms = ClassHead().losses(output, classed(ids, unknown))
    assert float(sum(terms.values())) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("classes", [None, [[[0, 3]]]])
def test_classes_that_cannot_be_learned_are_told(classes):
    labelled = classed([[[0, 1]]], classes) if classes else batch([[[0, 1]]])
    with pytest.raises(DataError, match="classes that the network is to learn"):
        ClassHead().losses(torch.zeros(1, 3, 1, 2), labelled)


def test_one_map_is_no_class_map():
    with pytest.raises(ContractError, match="a map for each class"):
        ClassHead().foreground(torch.zeros(1, 1, 4, 4))
