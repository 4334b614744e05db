"""What is measured of translations, against images whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from histokit_syndiff_pl.check import (
    MEASURES,
    Check,
    drift,
    measured,
    pieces,
    psnr,
    similarity,
    verdict,
    votes,
)


@pytest.fixture(scope="module")
def image():
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(96, 96)), 2, mode="wrap")
    return (noise - noise.min()) / np.ptp(noise)


def test_psnr_and_similarity(image):
    assert psnr(image, image + 0.1) == pytest.approx(20)
    assert psnr(image, image) == 100
    assert similarity(image, image) == pytest.approx(1)
    assert similarity(image, 1 - image) < 0


def discs(places):
    y, x = np.mgrid[0:64, 0:64]
    picture = np.full((64, 64), 0.1)
    for row, column in places:
        picture[(y - row) ** 2 + (x - column) ** 2 < 30] = 0.9
    return picture


def test_drift_counts_pieces_in_either_contrast():
    four = discs([(10, 10), (10, 50), (50, 10), (50, 50)])
    three = discs([(10, 10), (10, 50), (50, 10)])
    assert (pieces(four), pieces(three)) == (4, 3)
    assert drift(four, three) == drift(four, 1 - three) == pytest.approx(0.25)
    assert drift(four, 1 - four) == 0


def test_images_without_structure_do_not_fail():
    flat = np.full((64, 64), 0.5)
    assert (drift(flat, flat), pieces(flat)) == (0, 0)


def test_a_batch_is_measured_by_its_mean(image):
    moved = np.roll(image, 4, 0)
    images = torch.from_numpy(np.stack([image, image]))[:, None].float()
    there = torch.from_numpy(np.stack([image, moved]))[:, None].float()
    found = measured(images, there, images)
    assert tuple(found) == MEASURES
    assert found["shift"] == pytest.approx(2)
    assert found["ssim"] == pytest.approx(1)


GOOD = {"psnr": 30.0, "ssim": 0.9, "shift": 0.2, "drift": 0.1}
BAD = {"psnr": 20.0, "ssim": 0.5, "shift": 2.5, "drift": 0.4}


def test_the_check_is_a_mean_that_travels_with_the_weights():
    check, other = Check(), Check()
    assert check.means() == {}
    check.add({"l2u": GOOD, "u2l": BAD})
    check.add({"l2u": BAD, "u2l": BAD})
    other.load_state_dict(check.state_dict())
    assert other.means()["l2u"]["psnr"] == pytest.approx(25)
    assert other.means()["u2l"] == pytest.approx(BAD)
    assert not list(check.parameters())


def test_votes_and_verdict():
    assert votes({"l2u": GOOD, "u2l": BAD}) == {"tutoring": 4, "adaptive": 0}
    assert votes({"l2u": BAD, "u2l": GOOD}) == {"tutoring": 0, "adaptive": 4}
    assert votes({"l2u": GOOD, "u2l": GOOD}) == {"tutoring": 0, "adaptive": 0}
    said, warned = verdict({"l2u": GOOD, "u2l": BAD})
    assert "favours the tutoring path, by 4" in said
    assert warned.startswith("u2l")
    assert "2.5 px" in warned
    mixed = {**GOOD, "shift": 0.9, "drift": 0.9}
    (tie,) = verdict({"l2u": GOOD, "u2l": {**mixed, "psnr": 31, "ssim": 0.95}})
    assert "neither" in tie
    assert verdict({}) == ()
