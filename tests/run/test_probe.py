"""The fingerprint of weights: the same again, and far from it when something changed."""

from __future__ import annotations

import math

import pytest
import torch

from histokit.errors import VerificationFailed
from histokit.interfaces import Maps, Sizes
from histokit.run.probe import check_probe, probe
from toys import Toy, darkness

CPU = torch.device("cpu")


def test_the_same_output_gives_the_same_probe():
    found = probe(Toy(darkness), CPU)
    assert found == probe(Toy(darkness), CPU)
    assert math.isfinite(found["mean"])
    assert found["std"] > 0
    check_probe(found, found, "weights")


@pytest.mark.parametrize("least", [1, 100])
def test_the_picture_fits_the_network(least):
    sides = []
    sizes = Sizes(least, 16, offset=4)
    probe(Toy(lambda x: sides.append(x.shape) or darkness(x), sizes), CPU)
    assert all(sizes.allows(side) for side in sides[0][2:])


def test_what_neither_segments_nor_translates_has_none():
    assert probe(object(), CPU) == {}
    check_probe({}, {}, "weights")


@pytest.mark.parametrize("change", [lambda x: x + 3, lambda x: x * 1.2, lambda x: x * math.nan])
def test_another_output_fails(change):
    was = probe(Toy(darkness), CPU)
    now = probe(Toy(lambda x: Maps(change(darkness(x).logits), "sigmoid")), CPU)
    with pytest.raises(VerificationFailed, match="weights does not behave"):
        check_probe(was, now, "weights")


def test_a_probe_that_lost_a_number_fails():
    with pytest.raises(VerificationFailed):
        check_probe({"mean": 0.0, "std": 1.0}, {"mean": 0.0}, "weights")


def test_a_little_difference_passes():
    check_probe({"mean": 0.0, "std": 1.0}, {"mean": 0.01, "std": 1.01}, "weights")
