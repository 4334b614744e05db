"""The measures of failure against reference values, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histokit_ostrich.health import (
    amplification,
    dice,
    fragments,
    ghosts,
    inversion_error,
    leak,
    outside,
    participation,
    participation_ratio,
    pieces,
    polarity,
    seam_index,
)


def test_participation_ratio(vector):
    entry = vector("participation_ratio")
    found = participation_ratio(torch.tensor(entry["eigenvalues"], dtype=torch.float64))
    assert float(found) == pytest.approx(entry["value"], abs=1e-12)


def test_participation_of_an_embedding():
    noise = torch.randn(2, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(participation(noise)) == pytest.approx(1, abs=0.01)
    assert float(participation(noise[:, :1].expand(-1, 2, -1, -1))) == pytest.approx(0.5)
    assert float(participation(noise[:, :1])) == pytest.approx(1)


def test_fragments(vector):
    entry = vector("fragmentation_index")
    found, truth = np.array(entry["pred"]) > 0, np.array(entry["true"]) > 0
    assert fragments(found, truth).split == entry["split_ratio"]
    look = pieces(found, truth, speck=4)
    assert look.specks == pytest.approx(entry["speck_fraction"])
    assert look.area_gap > 0


def test_fragments_of_nothing():
    empty, full = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    for pair in ((empty, empty), (empty, full), (full, empty)):
        found = fragments(*pair)
        assert (found.split, found.count, pieces(*pair).area_gap) == (1, 1, 0)
    assert pieces(full, full).area_gap == 0


def test_seams(vector):
    entry = vector("seam_index")
    row = torch.tensor(entry["row"], dtype=torch.float64).expand(2, 1, 3, -1)
    assert float(seam_index(row, entry["m"])) == pytest.approx(entry["index"])
    even = torch.arange(16.0).expand(1, 1, 4, 16)
    assert float(seam_index(even, 2)) == pytest.approx(1)


def test_polarity():
    lifted = torch.randn(2, 3, 8, 8)
    assert float(polarity(2 * lifted[:, :1] + 1, lifted)) == pytest.approx(1, abs=1e-5)
    assert float(polarity(-lifted[:, :1], lifted)) == pytest.approx(-1, abs=1e-5)


def test_inversion_and_its_conditioning(small):
    images = torch.rand(2, 3, 16, 16)
    sound, wild = small(), small(scale=0.2)
    assert float(inversion_error(sound, images)) < 1e-4
    assert float(inversion_error(wild, images)) > 1e-3
    with torch.no_grad():
        assert 0.5 < float(amplification(sound, sound(images))) < 5
        assert float(amplification(wild, wild(images))) > 20


def test_a_map_that_leaks_is_seen():
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(2, 1, 32, 32, generator=generator) > 0.5).float()
    noise = torch.randn(2, 2, 32, 32, generator=generator)
    assert float(leak(noise, mask)) < 0.05
    shifted = torch.cat((noise[:, :1], mask.roll(1, -1)), 1)  # a neighbour tells it
    assert float(leak(shifted, mask)) > 0.9


def test_ghosts():
    drawn, donor = torch.zeros(1, 1, 4, 8), torch.zeros(1, 1, 4, 8)
    drawn[..., :2], donor[..., 1:4] = 1, 1
    for left in (0.0, 0.5, 1.0):
        strength = 0.2 + drawn + left * donor * (1 - drawn)
        assert float(ghosts(strength, drawn, donor)) == pytest.approx(left, abs=1e-6)
    assert float(ghosts(0.2 + drawn, drawn, 0 * donor)) < 1e-6 + 1  # no donor: finite
    assert float(ghosts(donor, drawn * 0, donor)) > 1  # nothing of the drawn map shows


def test_dice_and_colours():
    one, two = torch.tensor([1.0, 1, 0, 0]), torch.tensor([0.0, 1, 1, 0])
    assert float(dice(one, two)) == 0.5
    assert float(dice(one * 0, two * 0)) == 1
    assert float(outside(torch.tensor([-0.1, 0.0, 1.0, 1.001]))) == 0.25
