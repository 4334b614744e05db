"""Reference values of what histokit itself does around this method, and where it departs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from histokit.metrics.scores import score
from histokit.run.domains import rescale_ids
from histokit.tiling.grid import grid


def places(case):
    layout = grid(case["height"], case["width"], case["tile"], overlap=0)
    return [(window.cols.start, window.rows.start) for window in layout]


def test_windows_that_barely_overlap(vector):
    case = vector("tiling_1024x513")
    assert places(case) == [tuple(place) for place in case["locations_xy"]]


def test_windows_are_as_many_but_evenly_spread(vector):
    """The authors' code shifts only the last one back."""
    case = vector("tiling_1200x1000")
    found, expected = places(case), [tuple(place) for place in case["locations_xy"]]
    assert len(found) == case["n"]
    assert {x for x, _ in found} == {x for x, _ in expected}
    rows = sorted({y for _, y in found})
    assert (rows[0], rows[-1]) == (0, expected[-1][1])
    assert rows[1] - rows[0] == rows[2] - rows[1]


@pytest.mark.parametrize(("name", "number"), [("myelin", 1), ("axon", 2)])
def test_dice_of_a_class(vector, name, number):
    case = vector("dice")
    truth, prediction = (np.array(case[key]) == number for key in ("gt", "pred"))
    found = score(truth.astype(np.int32), prediction.astype(np.int32)).dice
    assert found == pytest.approx(case[name])


def test_classes_are_compared_as_numbers(vector):
    """The authors' evaluation stretches each map to 255 first, so that myelin without axons is
    taken for axons; histokit never does.
    """
    case = vector("label_rescale_quirk")
    for labels, stretched in (([0, 1, 2], case["labels_012"]), ([0, 1], case["labels_01"])):
        assert [math.floor(label / max(labels) * 255) for label in labels] == stretched
    truth, myelin = np.array([[0, 1, 2]]), np.array([[0, 1, 0]])
    assert score((truth == 1).astype(np.int32), (myelin == 1).astype(np.int32)).dice == 1
    assert score((truth == 2).astype(np.int32), (myelin == 2).astype(np.int32)).dice == 0


@pytest.mark.parametrize(
    ("name", "rows"), [("nearest_resize_half", (1, 3, 5)), ("nearest_resize_1p5", (0, 1, 1))]
)
def test_nearest_neighbours_are_those_of_pixel_centres(vector, name, rows):
    """The authors' code takes the neighbour of a pixel's upper left corner; the sizes agree."""
    case = vector(name)
    ids = np.array(case["x"], np.int32)
    corners = np.floor(np.arange(len(rows)) / case["scale"]).astype(int)
    assert ids[np.ix_(corners, corners)].tolist() == case["expected"]
    found = rescale_ids(ids, case["scale"])
    assert found.tolist() == ids[np.ix_(rows, rows)].tolist()
