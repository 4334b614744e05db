"""The head of HoVer-Net: losses, truth, maps and objects, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histokit.errors import ContractError, DataError
from histokit.interfaces.batch import Labelled
from histokit.interfaces.segmenter import Maps
from histokit.losses.hovernet import cross_entropy, distance_error, gradient_error, pooled_dice
from histokit.nn.hovernet_head import HoverHead
from histokit.postprocess.hv_maps import hv_maps
from histokit.run.context import RunContext
from histokit.run.machine import open_machine

HEAD = HoverHead()


def discs(shape=(40, 48), radius=8):
    """Two touching discs."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    ids = np.zeros(shape, np.int32)
    ids[(y - 20) ** 2 + (x - 14) ** 2 <= radius**2] = 1
    ids[((y - 20) ** 2 + (x - 13 - 2 * radius) ** 2 <= radius**2) & (ids == 0)] = 2
    return ids


def batch(ids, classes=None):
    ids = torch.as_tensor(ids)[None]
    classes = None if classes is None else torch.as_tensor(classes)[None].long()
    return Labelled(torch.zeros(1, 3, *ids.shape[1:]), ids, classes, ("toy/0",))


def perfect(ids, types=None, shrink=0):
    """What a network that knows the truth gives."""
    size = (ids.shape[0] - shrink, ids.shape[1] - shrink)
    hv = torch.from_numpy(hv_maps(ids, output=size))[None]
    edge = shrink // 2
    middle = torch.from_numpy(ids)[None, edge : edge + size[0], edge : edge + size[1]]
    nuclei = 60.0 * torch.stack((middle == 0, middle > 0), 1) - 30
    output = {"np": nuclei, "hv": hv}
    if types is not None:
        kinds = torch.as_tensor(types)[None, edge : edge + size[0], edge : edge + size[1]].long()
        output["tp"] = 60.0 * torch.nn.functional.one_hot(kinds, 3).movedim(-1, 1) - 30
    return output


@pytest.mark.parametrize("shrink", [0, 8])
def test_the_truth_costs_nothing(shrink):
    terms = HEAD.losses(perfect(discs(), shrink=shrink), batch(discs()))
    assert set(terms) == {"np_ce", "np_dice", "hv_mse", "hv_msge"}
    assert all(float(value) == pytest.approx(0, abs=1e-4) for value in terms.values())
    shifted = HEAD.losses(perfect(np.roll(discs(), 3, 1), shrink=shrink), batch(discs()))
    assert all(float(value) > 0.01 for value in shifted.values())


def test_terms_are_the_losses_of_their_maps():
    torch.manual_seed(0)
    output = {"np": torch.randn(1, 2, 32, 40), "hv": torch.randn(1, 2, 32, 40)}
    head, ids = HoverHead("paper"), discs()
    true = torch.from_numpy(hv_maps(ids, output=(32, 40)))[None]
    inside = torch.from_numpy(ids[4:-4, 4:-4] > 0)[None]
    expected = {
        "np_ce": cross_entropy(output["np"].softmax(1), inside.long()),
        "np_dice": pooled_dice(output["np"].softmax(1), inside.long()),
        "hv_mse": distance_error(output["hv"], true),
        "hv_msge": gradient_error(output["hv"], true, inside[:, None].float(), axes="paper"),
    }
    found = head.losses(output, batch(ids))
    assert {k: float(v) for k, v in found.items()} == {k: float(v) for k, v in expected.items()}
    crossed = HEAD.losses(output, batch(ids))
    assert float(crossed["hv_msge"]) != float(found["hv_msge"])


def test_types_are_learned_where_the_network_has_them():
    ids = discs()
    terms = HEAD.losses(perfect(ids, ids), batch(ids, ids))
    assert set(terms) == {"np_ce", "np_dice", "hv_mse", "hv_msge", "tp_ce", "tp_dice"}
    assert float(terms["tp_ce"] + terms["tp_dice"]) == pytest.approx(0, abs=1e-4)
    swapped = HEAD.losses(perfect(ids, ids), batch(ids, ids % 2))
    assert float(swapped["tp_ce"]) > 0.5


@pytest.mark.parametrize("classes", [None, 3 * discs()])
def test_classes_that_do_not_fit_are_refused(classes):
    with pytest.raises(DataError, match="classes"):
        HEAD.losses(perfect(discs(), discs()), batch(discs(), classes))


def test_losses_are_float32_under_autocast():
    half = {name: values.bfloat16() for name, values in perfect(discs(), discs()).items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = HEAD.losses(half, batch(discs(), discs()))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert all(torch.isfinite(term) for term in terms.values())


def test_mirrored_pieces_have_centres_of_their_own():
    ids = np.zeros((24, 60), np.int32)
    ids[8:16, 4:14] = ids[8:16, 46:56] = 1
    apart = np.where(np.arange(60) > 30, 2 * (ids > 0), ids).astype(np.int32)
    assert float(HEAD.losses(perfect(apart), batch(ids))["hv_mse"]) == 0


def test_foreground_is_the_difference_of_the_logits():
    output = {"np": torch.randn(2, 2, 5, 5), "hv": torch.zeros(2, 2, 5, 5)}
    found = torch.sigmoid(HEAD.foreground(output))[:, 0]
    assert torch.allclose(found, output["np"].softmax(1)[:, 1], atol=1e-6)


def test_truth_is_cut_to_the_output():
    truth = HEAD.truth(batch(discs()), perfect(discs(), shrink=8))
    assert truth.dtype == torch.float32
    assert torch.equal(truth[0, 0].bool(), torch.from_numpy(discs()[4:-4, 4:-4] > 0))
    with pytest.raises(ContractError, match="larger than its truth"):
        HEAD.truth(batch(np.zeros((8, 8), np.int32)), perfect(discs()))


def test_touching_discs_are_split():
    maps = HEAD.maps(perfect(discs()))
    assert (maps.activation, set(maps.extra)) == ("softmax", {"hv"})
    found = HEAD.decode(maps)
    assert found.ids.dtype == np.int32
    assert np.bincount(found.ids.ravel())[1:] == pytest.approx([196, 196], abs=2)
    assert found.scores == pytest.approx({1: 1.0, 2: 1.0}, abs=1e-6)
    assert found.classes == {}


def test_nuclei_of_20x_are_split_with_lengths_of_20x():
    maps = HEAD.maps(perfect(discs(radius=4)))
    assert HEAD.decode(maps).ids.max() == 0
    assert HEAD.at(0.25).decode(maps).ids.max() == 0
    found = HEAD.at(0.5).decode(maps)
    assert np.bincount(found.ids.ravel())[1:] == pytest.approx([49, 48], abs=2)


def test_a_network_has_the_head_of_its_pixel_size():
    machine = open_machine("cpu")
    maps = HEAD.maps(perfect(discs(radius=4)))
    for mpp, count in ((None, 0), (0.25, 0), (0.5, 2)):
        network = RunContext(machine, mpp=mpp).network("hovernet-small", 3, 1)
        assert network.head.decode(maps).ids.max() == count


def test_types_are_told_with_their_share():
    ids = discs()
    types = np.where(ids == 2, 2, 0)
    found = HEAD.decode(HEAD.maps(perfect(ids, types)))
    assert found.classes == {2: 2}
    assert found.scores == pytest.approx({1: 1.0, 2: 1.0}, abs=0.01)


def test_an_empty_image_has_no_objects():
    found = HEAD.decode(HEAD.maps(perfect(np.zeros((30, 30), np.int32))))
    assert not found.ids.any()
    assert found.scores == {}


@pytest.mark.parametrize(
    "output",
    [torch.zeros(1, 1, 4, 4), {"np": torch.zeros(1, 2, 4, 4)}, {"np": 1, "hv": 2}, None],
    ids=["tensor", "no hv", "no tensors", "nothing"],
)
def test_other_outputs_are_refused(output):
    with pytest.raises(ContractError, match="maps of HoVer-Net"):
        HEAD.foreground(output)


def test_one_image_at_a_time_with_its_distances():
    logits = torch.zeros(1, 2, 8, 8)
    for maps in (Maps(logits, "softmax"), Maps(torch.zeros(2, 2, 8, 8), "softmax", {"hv": logits})):
        with pytest.raises(ContractError, match="one image"):
            HEAD.decode(maps)
