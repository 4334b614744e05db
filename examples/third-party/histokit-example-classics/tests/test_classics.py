"""What is special about the two methods, by hand."""

from __future__ import annotations

import numpy as np
import torch
from histokit_example_classics import DISTANCE_MAP
from histokit_example_classics.colour_transfer import Colours, transport
from histokit_example_classics.distance_map import distances, nuclei

from histokit.testing import loss_curve


def discs(*centres, side=32, radius=7):
    rows, columns = np.mgrid[:side, :side]
    ids = np.zeros((side, side), np.int32)
    for number, (row, column) in enumerate(centres, start=1):
        ids[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = number
    return ids


def test_the_transport_turns_one_covariance_into_the_other():
    generator = torch.Generator().manual_seed(0)
    one, other = (a @ a.T for a in torch.rand(2, 3, 3, generator=generator).double())
    matrix = transport(one, other)
    torch.testing.assert_close(matrix @ one @ matrix.T, other)
    torch.testing.assert_close(matrix, matrix.T)


def test_statistics_do_not_depend_on_how_pixels_come():
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    at_once, in_parts = Colours(), Colours()
    at_once.add(images)
    in_parts.add(images[:1])
    in_parts.add(images[1:])
    for found, expected in zip(in_parts.moments(), at_once.moments(), strict=True):
        torch.testing.assert_close(found, expected)
    pixels = images.movedim(1, 0).flatten(1).double()
    torch.testing.assert_close(at_once.moments()[0], pixels.mean(1))


def test_the_distance_is_0_at_a_border_and_1_far_from_it():
    far = distances(torch.from_numpy(discs((16, 16), radius=12))[None], farthest=4.0)
    assert far.shape == (1, 1, 32, 32)
    assert far[0, 0, 16, 16] == 1
    assert far[0, 0, 0, 0] == 0
    assert 0 < far[0, 0, 16, 26] < 1


def test_touching_nuclei_are_two():
    ids = discs((16, 9), (16, 22))
    far = distances(torch.from_numpy(ids)[None], farthest=8.0)[0, 0].numpy()
    found = nuclei(far, ids > 0)
    assert found.dtype == np.int32
    assert found.max() == 2
    assert found[16, 9] != found[16, 22]
    assert nuclei(far * 0, ids < 0).max() == 0
    assert set(np.unique(nuclei(far * 0, ids == ids))) == {1}


def test_training_lowers_the_loss():
    losses = loss_curve(DISTANCE_MAP, steps=20)["mse"]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
