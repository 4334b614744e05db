"""Post-processing of HoVer-Net: the release's numbers, the round trip, tables and types."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from histokit.errors import ContractError
from histokit.postprocess import hover as module
from histokit.postprocess.hover import hover, lengths_at, measured, separate
from histokit.postprocess.hv_maps import hv_maps


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def discs(centres, shape):
    """Discs numbered from 1, each painted where nothing is yet."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    ids = np.zeros(shape, np.int32)
    for number, (row, column, radius) in enumerate(centres, start=1):
        inside = (y - row) ** 2 + (x - column) ** 2 <= radius**2
        ids[inside & (ids == 0)] = number
    return ids


def exact(ids):
    """What a perfect network says of an id map."""
    return (ids > 0).astype(np.float32), hv_maps(ids)


def aji(truth, found):
    """Over objects in the same order, which is what the cases here give."""
    inter = union = 0
    for number in range(1, max(truth.max(), found.max()) + 1):
        a, b = truth == number, found == number
        inter, union = inter + (a & b).sum(), union + (a | b).sum()
    return inter / union


@pytest.mark.parametrize("name", ["postproc_two_touching_discs", "postproc_three_and_speck"])
def test_reference(vectors, name):
    entry = vector(vectors, name)
    expected = entry["expected"]
    truth = discs(entry["input"]["discs_cy_cx_r"], entry["input"]["shape"])
    assert np.bincount(truth.ravel())[1:].tolist() == expected["truth_areas"]
    nuclei = hover(*exact(truth))
    assert len(nuclei.areas) == expected["n_instances"]
    assert np.abs(nuclei.areas - expected["areas"]).max() <= 2
    assert int((nuclei.ids > 0).sum()) == expected["foreground_pixels"]
    assert np.allclose(nuclei.centroids, expected["centroids_xy"], atol=0.02)
    assert aji(truth, nuclei.ids) == pytest.approx(expected["aji"], abs=0.005)


def test_nothing_gives_nothing(vectors):
    entry = vector(vectors, "postproc_empty")
    shape = entry["input"]["shape"]
    nuclei = hover(np.zeros(shape), np.zeros((2, *shape)), np.zeros(shape, int))
    assert len(nuclei.areas) == entry["expected"]["n_instances"]
    assert not nuclei.ids.any()
    assert nuclei.ids.dtype == np.int32
    assert nuclei.boxes.shape == (0, 4)
    assert nuclei.centroids.shape == (0, 2)
    assert nuclei.types.shape == nuclei.shares.shape == (0,)


def test_flat_distances_find_nothing():
    assert not separate(np.ones((30, 30)), np.zeros((2, 30, 30))).any()


def many(count=12, seed=0, gap=28):
    draws = np.random.default_rng(seed)
    centres = [
        (14 + gap * row + draws.integers(-2, 3), 14 + gap * col, draws.integers(6, 11))
        for row in range(count // 4)
        for col in range(4)
    ]
    return discs(centres, (gap * (count // 4) + 2, gap * 4 + 2))


@pytest.mark.parametrize("seed", range(4))
def test_separated_discs_come_back(seed):
    truth = many(seed=seed)
    found = separate(*exact(truth))
    assert aji(np.where(truth > 0, truth, 0), _in_order(found, truth)) > 0.98


def _in_order(found, truth):
    """Numbered as the truth is, where they overlap most."""
    names = np.zeros(found.max() + 1, np.int32)
    for number in range(1, found.max() + 1):
        names[number] = np.bincount(truth[found == number]).argmax()
    return names[found]


def plain(foreground, hv):
    """The same steps in floating point, on the whole image and with one watershed."""
    mask, count = ndimage.label(foreground >= 0.5)
    for number in range(1, count + 1):
        if (mask == number).sum() < 10:
            mask[mask == number] = 0
    blobs = (mask > 0).astype(float)
    smooth, differ = np.ones(1), np.array([-1.0, 1.0])
    for _ in range(20):
        smooth = np.convolve(smooth, [1, 1])
    for _ in range(19):
        differ = np.convolve(differ, [1, 1])
    edges = []
    for values, axis in ((hv[0], 1), (hv[1], 0)):
        values = (values - values.min()) / (values.max() - values.min())
        steep = ndimage.correlate1d(values.astype(float), differ, axis, mode="mirror")
        steep = ndimage.correlate1d(steep, smooth, 1 - axis, mode="mirror")
        edges.append(1 - (steep - steep.min()) / (steep.max() - steep.min()))
    edge = np.maximum(np.maximum(*edges) - (1 - blobs), 0)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    energy = -ndimage.correlate((1 - edge) * blobs, kernel, mode="mirror")
    marker = ndimage.binary_fill_holes((blobs > 0) & (edge < 0.4))
    ellipse = np.ones((5, 5), bool)
    ellipse[[0, 0, 0, 0, 4, 4, 4, 4], [0, 1, 3, 4, 0, 1, 3, 4]] = False
    marker = ndimage.binary_erosion(marker, ellipse, border_value=1)
    markers, count = ndimage.label(ndimage.binary_dilation(marker, ellipse))
    for number in range(1, count + 1):
        if (markers == number).sum() < 10:
            markers[markers == number] = 0
    return watershed(energy, markers, mask=blobs > 0)


@pytest.mark.parametrize("tile", [20, 256])
@pytest.mark.parametrize("seed", range(3))
def test_flooding_crowded_pieces_alone_changes_nothing(seed, tile, monkeypatch):
    monkeypatch.setattr(module, "_TILE", tile)
    truth = many(16, seed, gap=17)  # they touch
    draws = np.random.default_rng(seed)
    foreground, hv = exact(truth)
    hv = hv + draws.normal(0, 0.02, hv.shape).astype(np.float32)
    found, expected = separate(foreground, hv), plain(foreground, hv)
    assert found.max() == len(np.unique(expected[expected > 0])) > 8
    names = np.concatenate(([0], [expected[found == n][0] for n in range(1, found.max() + 1)]))
    assert (names[found] != expected).mean() < 0.001  # float32 against float64


def test_numbers_have_no_gaps():
    found = separate(*exact(many()))
    assert np.array_equal(np.unique(found), np.arange(found.max() + 1))


def test_tables():
    ids = np.zeros((10, 12), np.int32)
    ids[2:5, 3:9] = 1
    ids[6:9, 1:3] = 2
    nuclei = measured(ids)
    assert nuclei.boxes.tolist() == [[2, 3, 5, 9], [6, 1, 9, 3]]
    assert nuclei.centroids.tolist() == [[5.5, 3.0], [1.5, 7.0]]
    assert nuclei.areas.tolist() == [18, 6]
    assert nuclei.types is None


@pytest.mark.parametrize(
    ("pixels", "kind", "share"),
    [
        ([1, 1, 1, 2], 1, 0.75),
        ([0, 0, 0, 2], 2, 0.25),
        ([0, 0, 0, 0], 0, 1.0),
        ([1, 1, 2, 2], 1, 0.5),
        ([0, 0, 3, 3], 3, 0.5),
        ([0, 2, 1, 2], 2, 0.5),
    ],
)
def test_type_is_that_of_most_pixels_and_background_last(pixels, kind, share):
    nuclei = measured(np.ones((2, 2), np.int32), np.array(pixels).reshape(2, 2))
    assert nuclei.types.tolist() == [kind]
    assert nuclei.shares[0] == pytest.approx(share, abs=1e-5)


def test_lengths_keep_their_size_on_the_slide():
    usual = {name: signature(separate).parameters[name].default for name in lengths_at(0.25)}
    assert lengths_at(0.25) == lengths_at(0.2519) == usual
    assert lengths_at(0.5) == {"min_area": 2, "sobel_size": 11, "open_radius": 1}
    assert lengths_at(4.0) == {"min_area": 1, "sobel_size": 3, "open_radius": 1}


def test_constants_matter():
    truth = discs([(20, 14, 8), (20, 29, 8)], (40, 48))
    assert separate(*exact(truth), min_area=300).max() == 0
    assert separate(*exact(truth), marker_threshold=1.01).max() == 1
    assert separate(*exact(truth), open_radius=20).max() == 0


@pytest.mark.parametrize(
    ("foreground", "hv"),
    [
        (np.zeros((4, 4)), np.zeros((2, 4, 5))),
        (np.zeros((4, 4)), np.zeros((3, 4, 4))),
        (np.full((4, 4), np.nan), np.zeros((2, 4, 4))),
        (np.zeros((4, 4)), np.full((2, 4, 4), np.inf)),
    ],
)
def test_maps_that_cannot_be_read_are_refused(foreground, hv):
    with pytest.raises(ContractError, match="maps of HoVer-Net"):
        hover(foreground, hv)


def test_exactly_the_threshold_is_foreground():
    foreground, hv = exact(discs([(20, 14, 8), (20, 29, 8)], (40, 48)))
    assert separate(foreground / 2, hv).max() == 2
    assert separate(foreground / 2, hv, threshold=0.51).max() == 0


def test_a_dip_in_the_middle_of_a_nucleus_does_not_break_it():
    foreground, hv = exact(discs([(20, 20, 8)], (40, 40)))
    y, x = np.mgrid[:40, :40]
    hv[0] -= 1.8 * (x - 20) * np.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 4)
    found = separate(foreground, hv)
    assert found.max() == 1
    assert np.array_equal(found > 0, foreground > 0)
