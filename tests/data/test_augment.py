"""Geometry moves image and ids alike and changes no pixel it need not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import hed_from_rgb, separate_stains

from histokit.data.augment import Geometry, apply_geometry, apply_stain, draw_geometry

IMAGE = torch.arange(2 * 5 * 5, dtype=torch.float32).reshape(1, 2, 5, 5)


def test_nothing_is_nothing():
    assert torch.equal(apply_geometry(IMAGE, [Geometry()]), IMAGE)


def test_flips_and_quarters_are_exact():
    flipped = apply_geometry(IMAGE, [Geometry(flip_rows=True)])
    assert torch.equal(flipped, torch.flip(IMAGE, [2]))
    turned = apply_geometry(IMAGE, [Geometry(quarters=1)])
    assert torch.equal(turned, torch.rot90(IMAGE, 1, (2, 3)))


@pytest.mark.parametrize("shape", [(7, 7), (7, 11)])
def test_rotation_by_180_degrees_is_both_flips(shape):
    image = torch.rand(1, 3, *shape)
    turned = apply_geometry(image, [Geometry(degrees=180.0)])
    assert torch.allclose(turned, torch.flip(image, [2, 3]), atol=1e-4)


def test_rotation_by_90_degrees_is_a_quarter_turn_in_the_image_plane():
    image = torch.rand(1, 3, 9, 9)
    turned = apply_geometry(image, [Geometry(degrees=90.0)])
    quarters = [torch.rot90(image, k, (2, 3)) for k in (1, 3)]
    assert any(torch.allclose(turned, q, atol=1e-4) for q in quarters)


def test_ids_keep_their_values_and_follow_the_image():
    ids = torch.zeros(1, 1, 65, 65, dtype=torch.int32)
    ids[0, 0, 20:40, 25:50] = 70_001
    geometry = [Geometry(flip_columns=True, degrees=33.0)]
    turned = apply_geometry(ids, geometry, nearest=True)
    assert turned.dtype == torch.int32
    assert set(turned.unique().tolist()) == {0, 70_001}
    image = apply_geometry((ids > 0).float(), geometry)
    agree = ((image > 0.5) == (turned > 0)).float().mean()
    assert agree > 0.99


def test_rotation_keeps_circles_round_in_oblong_images():
    rows, columns = torch.meshgrid(torch.arange(60), torch.arange(90), indexing="ij")
    disc = (((rows - 29.5) ** 2 + (columns - 44.5) ** 2) < 15**2).float()[None, None]
    turned = apply_geometry(disc, [Geometry(degrees=45.0)])
    middle = (turned - disc)[..., 10:50, 25:65]  # further out the border mirrors the disc
    assert middle.abs().mean() < 0.04


@pytest.mark.parametrize("kind", ["none", "mirror", "flip", "rotate", "flip+rotate", "dihedral"])
def test_draws_are_as_named(kind):
    drawn = [draw_geometry(kind, np.random.default_rng(n)) for n in range(400)]
    flips = sum(g.flip_rows or g.flip_columns for g in drawn) / 400
    turns = [g.degrees for g in drawn if g.degrees]
    assert all(-90 <= angle <= 90 for angle in turns)
    expected_flips = {"mirror": 0.5, "flip": 0.75, "flip+rotate": 0.75, "dihedral": 0.5}.get(
        kind, 0.0
    )
    expected_turns = 0.75 if "rotate" in kind else 0.0
    assert flips == pytest.approx(expected_flips, abs=0.08)
    assert len(turns) / 400 == pytest.approx(expected_turns, abs=0.08)
    assert any(g.quarters for g in drawn) == (kind == "dihedral")
    assert kind != "mirror" or not any(g.flip_rows for g in drawn)


def test_stain_changes_colours_as_drawn():
    """Without change the image comes back; twice the haematoxylin doubles its optical density."""
    rgb = torch.rand(2, 3, 5, 4) * 0.8 + 0.1
    same = Geometry(stain=((1.0, 0.0),) * 3)
    twice = Geometry(stain=((2.0, 0.0), (1.0, 0.0), (1.0, 0.0)))
    assert torch.allclose(apply_stain(rgb, [same, same]), rgb, atol=1e-5)
    assert torch.equal(apply_stain(rgb, [Geometry(), twice])[0], rgb[0])
    before = separate_stains(rgb[1].permute(1, 2, 0).numpy().astype(float), hed_from_rgb)
    after = apply_stain(rgb, [same, twice])[1].permute(1, 2, 0).numpy().astype(float)
    grown = separate_stains(after, hed_from_rgb)
    inside = (after > 1e-3).all(-1) & (after < 0.999).all(-1) & (before > 0).all(-1)
    assert inside.any()
    np.testing.assert_allclose(grown[inside][:, 0], 2 * before[inside][:, 0], rtol=1e-2)
    np.testing.assert_allclose(grown[inside][:, 1], before[inside][:, 1], atol=1e-3)


def test_only_stain_asks_for_stain():
    rng = np.random.default_rng(0)
    assert len(draw_geometry("dihedral+stain", rng).stain) == 3
    assert not any(draw_geometry(kind, rng).stain for kind in ("dihedral", "flip+rotate"))
