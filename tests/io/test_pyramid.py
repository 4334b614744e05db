"""A pyramid written in parts is the picture, at every level, for any reader of OME-TIFF."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import openslide
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from histokit.errors import ContractError
from histokit.io import pyramid
from histokit.io.pyramid import TILE, ome_pyramid
from histokit.io.slides_open import is_slide, open_slide

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


def picture(height, width):
    """Soft colours, uint8 [H W 3]."""
    noise = np.random.default_rng(0).normal(128, 300, (height, width, 3))
    return gaussian_filter(noise, (4, 4, 0)).clip(0, 255).astype(np.uint8)


def written(path, pixels, order=None, **options):
    """Writes a picture tile by tile, in any order."""
    height, width = pixels.shape[:2]
    places = [(y, x) for y in range(0, height, TILE) for x in range(0, width, TILE)]
    with ome_pyramid(path, (height, width), **options) as put:
        for number in range(len(places)) if order is None else order:
            y, x = places[number]
            put(y, x, pixels[y : y + TILE, x : x + TILE])
    return path


def levels_of(path):
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        return [level.asarray() for level in file.series[0].levels]


def halved(pixels):
    even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2].astype(int)
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2] + 2) // 4


def test_every_level_is_that_of_the_picture(tmp_path):
    pixels = picture(1301, 1127)
    path = written(tmp_path / "ä b.ome.tif", pixels, compression="deflate")
    levels = levels_of(path)
    assert [level.shape for level in levels] == [(1301, 1127, 3), (650, 563, 3), (325, 281, 3)]
    assert np.array_equal(levels[0], pixels)
    for small, large in zip(levels[1:], levels, strict=False):
        assert np.array_equal(small, halved(large))


def test_jpeg_is_near_and_keeps_colours_apart(tmp_path):
    pixels = picture(700, 900)
    pixels[100:200, 100:101] = (255, 0, 0)
    levels = levels_of(written(tmp_path / "a.ome.tif", pixels))
    off = np.abs(levels[0].astype(int) - pixels)
    assert off[:, 200:].max() <= 16
    assert off.mean() < 2
    assert levels[0][150, 100, 0] > levels[0][150, 100, 1] + 150
    assert np.abs(levels[1].astype(int) - halved(pixels)).mean() < 2


@pytest.mark.parametrize("compression", ["jpeg", "deflate"])
@pytest.mark.parametrize("backend", ["tifffile", "openslide"])
def test_readers_see_picture_and_pixel_size(tmp_path, compression, backend):
    pixels = picture(600, 520)
    path = written(tmp_path / "a.ome.tif", pixels, mpp=(0.25, 0.5), compression=compression)
    assert is_slide(path)
    with open_slide(path, backend) as slide:
        assert slide.mpp == pytest.approx((0.25, 0.5))
        found = slide.region(0, 7, 9, 500, 580).astype(int)
    assert np.abs(found - pixels[9:589, 7:507]).max() <= (16 if compression == "jpeg" else 0)


def test_openslide_alone_opens_it(tmp_path):
    path = written(tmp_path / "a.ome.tif", picture(600, 520))
    with openslide.OpenSlide(str(path)) as slide:
        assert slide.dimensions == (520, 600)
        assert "openslide.mpp-x" not in slide.properties


def test_the_xml_says_size_unit_and_origin(tmp_path):
    about = {"source": "Größe <1>.svs", "n": 1}
    written(tmp_path / "a.ome.tif", picture(520, 600), mpp=(0.25, 0.5), provenance=about)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        root = ElementTree.fromstring(file.ome_metadata)
    pixels = root.find(f"{OME}Image/{OME}Pixels")
    said = {key: pixels.get(key) for key in ("SizeX", "SizeY", "PhysicalSizeX", "PhysicalSizeY")}
    assert said == {"SizeX": "600", "SizeY": "520", "PhysicalSizeX": "0.25", "PhysicalSizeY": "0.5"}
    assert pixels.get("PhysicalSizeXUnit") == pixels.get("PhysicalSizeYUnit") == "µm"
    assert json.loads(root.find(f"{OME}Image/{OME}Description").text) == about


def test_parts_come_in_any_order_and_holes_are_white(tmp_path):
    pixels = picture(1100, 1100)
    one = written(tmp_path / "one" / "a.ome.tif", pixels, compression="deflate")
    other = written(tmp_path / "two" / "a.ome.tif", pixels, range(8, -1, -1), compression="deflate")
    assert one.read_bytes() == other.read_bytes()
    holed = written(tmp_path / "b.ome.tif", pixels, (0, 1, 2, 3, 4, 5, 6, 7))
    levels = levels_of(holed)
    assert (levels[0][1024:, 1024:] == 255).all()
    assert (levels[1][512:, 512:] == 255).all()
    assert not (levels[1][:512, 512:] == 255).all()
    assert (levels_of(written(tmp_path / "c.ome.tif", pixels, ()))[0] == 255).all()


def test_a_small_picture_is_one_level(tmp_path):
    pixels = picture(30, 3)
    (level,) = levels_of(written(tmp_path / "a.ome.tif", pixels, compression="deflate"))
    assert np.array_equal(level, pixels)
    thin = levels_of(written(tmp_path / "b.ome.tif", picture(1, 1100), compression="deflate"))
    assert [level.shape[:2] for level in thin] == [(1, 1100), (1, 550), (1, 275)]


def test_large_ones_are_big_tiff(tmp_path, monkeypatch):
    with tifffile.TiffFile(written(tmp_path / "a.ome.tif", picture(600, 600))) as file:
        assert not file.is_bigtiff
    monkeypatch.setattr(pyramid, "LARGE", 10**6)
    with tifffile.TiffFile(written(tmp_path / "a.ome.tif", picture(600, 600))) as file:
        assert file.is_bigtiff
        assert len(file.series[0].levels) == 2


@pytest.mark.parametrize(
    ("top", "left", "shape"),
    [(1, 0, (512, 512)), (0, 0, (512, 100)), (512, 0, (512, 512)), (0, 512, (512, 200))],
)
def test_parts_beside_the_tiles_are_refused(tmp_path, top, left, shape):
    with (
        pytest.raises(ContractError, match="beside"),
        ome_pyramid(tmp_path / "a.ome.tif", (700, 700)) as put,
    ):
        put(top, left, np.zeros((*shape, 3), np.uint8))
    assert not list(tmp_path.iterdir())
