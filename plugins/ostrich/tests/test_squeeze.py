"""The squeeze against its tables, its inverse, its symmetries and what it keeps together."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from histokit.errors import DataError
from histokit.interfaces import Sizes
from histokit_ostrich.squeeze import padded, side_multiple, squeeze, unsqueeze


def numbered(channels, side):
    return torch.arange(channels * side * side).reshape(1, channels, side, side)


@pytest.mark.parametrize("tile", [2, 4, 8])
def test_tables(vector, tile):
    found = squeeze(numbered(1, 8), tile)
    assert found[0].tolist() == vector(f"squeeze_8x8_t{tile}")["output"]


@pytest.mark.parametrize("order", ["phase", "channel"])
def test_tables_of_two_channels(vector, order):
    found = squeeze(numbered(2, 4), 2, order)
    assert found[0].tolist() == vector(f"squeeze_2x4x4_t2_{order}")["output"]


def test_two_levels(vector):
    found = squeeze(squeeze(numbered(1, 8), 4), 2)
    assert found[0].tolist() == vector("squeeze_two_level_8x8_t4_t2")["output"]


def test_the_ordinary_squeeze_is_pixel_unshuffle(vector):
    images = torch.rand(2, 3, 6, 10)
    most = vector("squeeze_pixel_unshuffle_identity")["expected_max_abs_diff"]
    squeezed = squeeze(images, 2, "channel")
    assert float((squeezed - functional.pixel_unshuffle(images, 2)).abs().max()) == most
    back = unsqueeze(squeezed, 2, "channel")
    assert float((back - functional.pixel_shuffle(squeezed, 2)).abs().max()) == most


def test_the_whole_image_is_one_tile():
    assert torch.equal(squeeze(numbered(1, 8), 0), squeeze(numbered(1, 8), 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("order", ["phase", "channel"])
@pytest.mark.parametrize(("tile", "size"), [(2, (6, 4)), (4, (8, 12)), (8, (16, 8)), (0, (6, 10))])
def test_the_inverse_is_exact(tile, size, order, dtype):
    values = (torch.rand(2, 3, *size) * 1000).to(dtype)
    squeezed = squeeze(values, tile, order)
    assert squeezed.shape == (2, 12, size[0] // 2, size[1] // 2)
    assert torch.equal(unsqueeze(squeezed, tile, order), values)
    assert torch.equal(squeezed.flatten().sort().values, values.flatten().sort().values)


@pytest.mark.parametrize("tile", [2, 4, 8])
def test_symmetries(vector, tile):
    entry = vector("squeeze_symmetries")
    values = torch.rand(1, 3, 16, 24)

    def phases(squeezed, order):
        return squeezed.unflatten(1, (4, 3))[:, order].flatten(1, 2)

    squeezed = squeeze(values, tile)
    flipped = phases(squeezed.flip(-1), entry["phase_permutation_flipW"])
    assert torch.equal(squeeze(values.flip(-1), tile), flipped)
    turned = phases(squeezed.mT, entry["phase_permutation_transpose"])
    assert torch.equal(squeeze(values.mT, tile), turned)
    assert torch.equal(squeeze(values.roll(tile, -1), tile), squeezed.roll(tile // 2, -1))


def measured(side, tile):
    """Adjacency retention, co-location distance and reach of a squeeze, by brute force."""
    places = numbered(1, side)
    source = squeeze(places, tile)[0]
    row, column = source // side, source % side

    def apart(dim):
        return row.diff(dim=dim).abs() + column.diff(dim=dim).abs()

    pairs = torch.cat([apart(1).flatten(), apart(2).flatten()])
    spread = torch.maximum(*(x.amax(0) - x.amin(0) for x in (row, column)))
    half = side // 2
    grid = numbered(1, half).expand(1, 4, half, half)
    target = unsqueeze(grid, tile)[0, 0]
    steps = torch.stack([target // half, target % half])
    moves = torch.cat([steps.diff(dim=d).abs().amax(0).flatten() for d in (1, 2)])
    return (
        float((pairs == 1).float().mean()),
        int(spread.max()),
        float((moves <= 1).float().mean()),
    )


@pytest.mark.parametrize("side", [16, 32])
def test_continuity(vector, side):
    for tile, expected in vector(f"continuity_metrics_{side}")["table"].items():
        retention, distance, reach = measured(side, int(tile))
        assert retention == pytest.approx(expected["adjacency_retention"], abs=1e-6)
        closed = (side / 2 - side / int(tile)) / (side / 2 - 1)
        assert retention == pytest.approx(closed, abs=1e-6)
        assert distance == expected["colocation_distance"]
        assert reach == pytest.approx(expected["reach_by_3x3"], abs=1e-6)


def test_padding_rule(vector):
    for case in vector("padding_rule")["cases"]:
        multiple = side_multiple(case["tiles"])
        assert multiple == case["multiple"]
        image = torch.rand(1, 1, case["H"], case["W"])
        height, width = padded(image, Sizes(multiple_of=multiple)).shape[-2:]
        assert (height - case["H"], width - case["W"]) == (case["padH"], case["padW"])


def test_padding_mirrors(vector):
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert (
        padded(image, Sizes(multiple_of=4))[0, 0].tolist()
        == vector("padding_reflect_3x3")["output"]
    )


def test_small_images_are_mirrored_on_and_on():
    rows = torch.arange(3.0).reshape(1, 1, 3, 1)
    found = padded(rows, Sizes(min=8, multiple_of=4))
    assert found[0, 0, :, 5].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert found.shape == (1, 1, 8, 8)


@pytest.mark.parametrize(("side", "tile"), [(6, 4), (8, 3), (7, 2)])
def test_tiles_that_do_not_fit_are_told(side, tile):
    with pytest.raises(DataError, match=f"{side} pixels"):
        squeeze(torch.rand(1, 1, side, side), tile)
