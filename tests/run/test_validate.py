"""The score that chooses the weights, against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from histokit.interfaces import Labels, Maps, Record
from histokit.run.validate import mean_dice
from toys import Toy, cpu


class Drawn:
    """Two images of 6 x 8: two of its four true pixels are found with one more; and an empty one,
    of which nothing or one pixel is found."""

    def __init__(self, extra):
        self.extra = extra

    def image(self, record):
        pixels = np.zeros((6, 8, 3), np.uint8)
        if record.key == "nuclei":
            pixels[2, 2:4] = pixels[5, 7] = 255
        elif self.extra:
            pixels[0, 0] = 255
        return pixels

    def labels(self, record):
        ids = np.zeros((6, 8), np.int32)
        if record.key == "nuclei":
            ids[2:4, 2:4] = [[1, 1], [2, 2]]
        return Labels(ids)


RECORDS = [Record("nuclei", "a"), Record("empty", "b")]


@pytest.mark.parametrize(("extra", "empty"), [(False, 1.0), (True, 1 / 2)])
def test_mean_dice_by_hand(extra, empty):
    bright = Toy(lambda x: Maps((x[:, :1] - 0.5) * 10, "sigmoid"))
    value = mean_dice(bright, Drawn(extra), RECORDS, cpu())
    assert value == pytest.approx(((2 * 2 + 1) / (3 + 4 + 1) + empty) / 2)


def test_softmax_counts_every_kind_of_object():
    def answer(images):
        bright = (images[:, :1] - 0.5) * 100
        return Maps(torch.cat([-bright, bright, bright], 1), "softmax")

    value = mean_dice(Toy(answer), Drawn(False), RECORDS[:1], cpu())
    assert value == pytest.approx(5 / 8)


def test_exactly_one_half_is_background():
    half = Toy(lambda x: Maps(torch.zeros_like(x[:, :1]), "sigmoid"))
    assert mean_dice(half, Drawn(False), RECORDS[1:], cpu()) == 1
