"""Nuclei written as HoVer-Net writes them come back as they were."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import label

from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.io.hovernet_files import fill, read_hovernet_json
from histokit.io.hovernet_json import nuclei, nuclei_file, through_centres
from histokit.io.rings import trace


def written(path, found, *, origin=(0, 0), scale=(1, 1), names=(), before=0, about=()):
    with nuclei_file(path, dict(about), 40) as add:
        for nucleus in nuclei(found, origin, scale, names, before=before):
            add(nucleus)
    return json.loads(path.read_text(encoding="utf-8"))


def square():
    """One nucleus of 10 x 10 pixels with its corner at x = 3, y = 7."""
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13] = 1
    return ids


def test_a_square_has_the_numbers_of_hovernet(tmp_path):
    found = Instances(square(), {1: 2}, {1: 0.123456})
    value = written(tmp_path / "é a.json", found, names=("a", "b"), about={"mpp": [0.25, 0.25]})
    assert (value["mag"], value["mpp"]) == (40, [0.25, 0.25])
    (nucleus,) = value["nuc"].values()
    assert nucleus["bbox"] == [[7, 3], [17, 13]]
    assert nucleus["centroid"] == [7.5, 11.5]
    assert sorted(nucleus["contour"]) == [[3, 7], [3, 16], [12, 7], [12, 16]]
    assert (nucleus["type"], nucleus["type_prob"]) == (2, 0.1235)


def test_types_and_numbers(tmp_path):
    ids = square()
    ids[50:60, 50:60] = 2
    plain = written(tmp_path / "a.json", Instances(ids))
    assert [n["type"] for n in plain["nuc"].values()] == [None, None]
    assert [n["type_prob"] for n in plain["nuc"].values()] == [None, None]
    named = written(tmp_path / "b.json", Instances(ids, {2: 3}), names=("x",), before=70_000)
    assert {key: n["type"] for key, n in named["nuc"].items()} == {"70001": 1, "70002": 3}
    with pytest.raises(DataError, match="score"):
        written(tmp_path / "c.json", Instances(ids, {}, {1: float("nan")}))
    assert not (tmp_path / "c.json").exists()


def test_places_on_a_slide(tmp_path):
    found = Instances(square(), {}, {})
    (nucleus,) = written(tmp_path / "a.json", found, origin=(100, 200), scale=(2, 4))[
        "nuc"
    ].values()
    assert nucleus["bbox"] == [[228, 106], [268, 126]]
    assert nucleus["centroid"] == [100 + 2 * 8 - 0.5, 200 + 4 * 12 - 0.5]
    xs, ys = np.array(nucleus["contour"]).T
    assert (xs.min(), xs.max()) == pytest.approx((106.5, 124.5), abs=0.5)
    assert (ys.min(), ys.max()) == pytest.approx((229.5, 265.5), abs=0.5)


def test_no_nuclei_is_a_sound_file(tmp_path):
    value = written(tmp_path / "a.json", Instances(np.zeros((9, 9), np.int32)))
    assert value == {"mag": 40, "nuc": {}}


def test_the_smallest_nuclei_are_kept(tmp_path):
    ids = np.zeros((9, 9), np.int32)
    ids[1, 1], ids[4, 4:6] = 1, 2
    value = written(tmp_path / "a.json", Instances(ids))
    assert [len(n["contour"]) for n in value["nuc"].values()] == [3, 3]
    assert np.array_equal(fill(read_hovernet_json(tmp_path / "a.json").rings.items(), (9, 9)), ids)


@settings(max_examples=80, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14))))
def test_outlines_give_the_pixels_back(mask):
    """Of any connected nucleus without holes, which the layout does not know."""
    pieces = label(mask, connectivity=1)
    for number in range(1, pieces.max() + 1):
        alone = ndimage.binary_fill_holes(pieces == number)
        ((ring, *_),) = trace(alone.astype(np.int32))[1]
        points = np.array(through_centres(ring))
        assert np.array_equal(fill([(1, points)], mask.shape) > 0, alone)
        steps = np.diff(np.concatenate([points, points[:1]]), axis=0)
        assert all(a == 0 or b == 0 or abs(a) == abs(b) for a, b in steps)


def test_the_largest_part_is_outlined(tmp_path):
    ids = np.zeros((20, 30), np.int32)
    ids[1:3, 1:3] = ids[5:15, 10:20] = 1
    (nucleus,) = written(tmp_path / "a.json", Instances(ids))["nuc"].values()
    assert np.array(nucleus["contour"]).min(axis=0).tolist() == [10, 5]
    assert nucleus["bbox"] == [[1, 1], [15, 20]]
