"""Values of a report that cannot be drawn are refused when they are made."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.errors import DataError
from histokit.report import Curve, Panel


def test_a_curve_has_a_value_for_each_step():
    with pytest.raises(DataError, match="curve"):
        Curve([1, 2, 3], [0.5, 0.4])


@pytest.mark.parametrize(
    ("image", "truth", "prediction"),
    [((8, 8, 3), (8, 9), (8, 8)), ((8, 8, 3), (8, 8), (9, 8)), ((8, 8), (8, 8), (8, 8)),
     ((8, 8, 4), (8, 8), (8, 8))],
)  # fmt: skip
def test_a_panel_has_maps_of_the_size_of_its_image(image, truth, prediction):
    with pytest.raises(DataError, match="'slide-1' cannot be drawn"):
        Panel(
            "worst",
            "slide-1",
            0.1,
            np.zeros(image, np.uint8),
            np.zeros(truth, np.int32),
            np.zeros(prediction, np.int32),
        )
