"""The size of structures, on patterns whose size is known."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.errors import DataError
from histokit.run import structure
from histokit.run.structure import correlation_length, structure_size, target_scale


def discs(radius, side=160, seed=0):
    """Discs at random, as many as cover the same share of the image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    picture = np.zeros((side, side))
    for row, column in rng.uniform(0, side, (round(0.3 * side**2 / (3.14 * radius**2)), 2)):
        picture[(y - row) ** 2 + (x - column) ** 2 < radius**2] = 1.0
    return picture


@pytest.mark.parametrize("factor", [2, 3])
def test_it_grows_with_the_structures(factor):
    small = np.mean([correlation_length(discs(4, seed=seed)) for seed in range(4)])
    large = np.mean([correlation_length(discs(4 * factor, 320, seed)) for seed in range(4)])
    assert large / small == pytest.approx(factor, rel=0.2)


def test_it_does_not_mind_contrast():
    image = discs(6)
    assert correlation_length(200 - 50 * image) == pytest.approx(correlation_length(image))
    assert correlation_length(np.full((40, 40), 3.0)) == 0


class Toy:
    """A domain of grey images."""

    def __init__(self, name, images):
        self.name, self._images = name, images

    def part(self, part):
        assert part == "train"
        return list(range(len(self._images)))

    def image(self, record):
        return np.repeat(self._images[record][..., None], 3, axis=2)


def test_the_factor_makes_them_alike():
    source = Toy("small", [discs(4, seed=seed) for seed in range(3)])
    target = Toy("large", [discs(8, 320, seed) for seed in range(3)])
    factor, note = target_scale(source, target)
    assert factor == pytest.approx(0.5, rel=0.2)
    assert f"target scale {factor:g}" in note
    assert "large" in note


def test_few_images_are_looked_at(monkeypatch):
    looked = []
    monkeypatch.setattr(structure, "correlation_length", lambda image: looked.append(1) or 5.0)
    assert structure_size(Toy("many", [np.zeros((4, 4))] * 45)) == 5
    assert len(looked) <= structure.LOOKED_AT


def test_empty_images_are_told():
    with pytest.raises(DataError, match="cannot be estimated"):
        structure_size(Toy("flat", [np.zeros((40, 40))]))
