"""Images and slides read beside the libraries that users read them with."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.io.images import read_image
from histokit.io.slides_open import open_slide

SIDE = 6144
"""Of the made-up slide, in pixels."""
TILES = 24
"""Tiles a turn."""


@pytest.fixture
def png(stained, tmp_path):
    path = tmp_path / "tile.png"
    Image.fromarray(stained).save(path)
    return path


def test_reading_png_beside_pillow(beside, png):
    def theirs():
        with Image.open(png) as image:
            return np.asarray(image.convert("RGB"))

    assert np.array_equal(read_image(png), theirs())
    beside(lambda: read_image(png), theirs, name="Pillow", goal=1, number=30)


def test_reading_png_beside_opencv(beside, png):
    cv2 = pytest.importorskip("cv2")

    def theirs():
        return cv2.cvtColor(cv2.imread(str(png)), cv2.COLOR_BGR2RGB)

    assert np.array_equal(read_image(png), theirs())
    beside(
        lambda: read_image(png),
        theirs,
        name="OpenCV",
        goal=1.35,
        number=30,
        missed="Pillow inflates slower than OpenCV's zlib",
    )


def test_reading_lzw_tiff_beside_tifffile(beside, stained, tmp_path):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, stained, compression="lzw")
    assert np.array_equal(read_image(path), stained)
    beside(
        lambda: read_image(path), lambda: tifffile.imread(path), name="tifffile", goal=1, number=20
    )


@pytest.fixture(scope="module")
def slide(stained, tmp_path_factory):
    """A tiled JPEG TIFF of two levels."""
    path = tmp_path_factory.mktemp("slide") / "slide.tif"
    noise = np.random.default_rng(0).integers(-8, 8, (SIDE, SIDE, 1), np.int16)
    whole = np.tile(stained, (SIDE // 256, SIDE // 256, 1))
    pixels = np.clip(whole + noise, 0, 255).astype(np.uint8)
    how = {"tile": (256, 256), "compression": "jpeg", "compressionargs": {"level": 80}}
    with tifffile.TiffWriter(path) as out:
        out.write(pixels, photometric="rgb", **how)
        out.write(pixels[::4, ::4], photometric="rgb", subfiletype=1, **how)
    return path


@pytest.mark.parametrize(("offset", "side", "goal"), [(0, 256, 3.5), (77, 256, 3.5), (77, 1024, 4)])
def test_slide_tiles_beside_openslide(beside, slide, offset, side, goal):
    import openslide

    with open_slide(slide) as ours, openslide.OpenSlide(slide) as theirs:
        beside(
            walk(lambda x, y: ours.region(0, x, y, side, side), offset, side),
            walk(
                lambda x, y: np.asarray(theirs.read_region((x, y), 0, (side, side)).convert("RGB")),
                offset,
                side,
            ),
            name="OpenSlide",
            goal=goal,
        )


@pytest.mark.parametrize(
    ("offset", "side", "goal"), [(0, 256, 1.5), (77, 256, 3), (77, 1024, 1.25)]
)
def test_slide_tiles_beside_tiffslide(beside, slide, offset, side, goal):
    tiffslide = pytest.importorskip("tiffslide")
    with open_slide(slide) as ours, tiffslide.TiffSlide(slide) as theirs:
        beside(
            walk(lambda x, y: ours.region(0, x, y, side, side), offset, side),
            walk(
                lambda x, y: theirs.read_region((x, y), 0, (side, side), as_array=True),
                offset,
                side,
            ),
            name="tiffslide",
            goal=goal,
        )


def test_a_scanned_slide_beside_openslide(beside, shared_data):
    import openslide

    path = shared_data / "WSI" / "CMU-1-Small-Region.svs"
    if not path.exists():
        pytest.skip(f"needs {path.name}, which is not on this machine")
    places = [(77 + 256 * column, 77 + 256 * row) for row in range(7) for column in range(7)]

    def ours():
        with open_slide(path) as opened:  # anew each time: else the tiles would still be there
            for x, y in places:
                opened.region(0, x, y, 256, 256)

    def theirs():
        with openslide.OpenSlide(path) as opened:
            for place in places:
                np.asarray(opened.read_region(place, 0, (256, 256)).convert("RGB"))

    beside(ours, theirs, name="OpenSlide", goal=3.5, rounds=5)


def walk(read, offset, side):
    """A call that reads the next tiles of a slide, row by row and round again."""
    across = (SIDE - offset) // side
    numbers = count()

    def some():
        for _ in range(max(1, TILES * 256**2 // side**2)):
            row, column = divmod(next(numbers) % across**2, across)
            read(offset + side * column, offset + side * row)

    return some
