"""Tiles of slides beside the libraries that users read them with: the pixels alone, and from the
file to what a network takes, float32 [1 3 H W] in 0..1.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count

import numpy as np
import openslide
import pytest
import tifffile
import torch

from histokit.io.slides_open import open_slide

SIDE = 6144
"""Of the made-up slide, in pixels."""
TILES = 24
"""Tiles of 256 pixels that a turn reads the pixels of."""
SCANNED = "CMU-1-Small-Region.svs"
PLACES = [(0, 256), (77, 256), (0, 1024), (77, 1024)]
"""Distance of the first tile from the corner, and the side of tiles: aligned with those of the
file, and not."""


@contextmanager
def histokit_reader(path):
    with open_slide(path) as slide:
        yield lambda x, y, side: slide.region(0, x, y, side, side)


@contextmanager
def openslide_reader(path):
    with openslide.OpenSlide(path) as slide:
        yield lambda x, y, side: np.asarray(
            slide.read_region((x, y), 0, (side, side)).convert("RGB")
        )


@contextmanager
def tiffslide_reader(path):
    with pytest.importorskip("tiffslide").TiffSlide(path) as slide:
        yield lambda x, y, side: slide.read_region((x, y), 0, (side, side), as_array=True)


@contextmanager
def tiatoolbox_reader(path):
    """Its newest version wants other versions of much that histokit stands on, so it needs a place
    of its own: ``make bench`` skips it.
    """
    slide = pytest.importorskip("tiatoolbox.wsicore.wsireader").WSIReader.open(path)
    yield lambda x, y, side: slide.read_rect((x, y), (side, side))


PEERS = {
    "OpenSlide": openslide_reader,
    "tiffslide": tiffslide_reader,
    "TIAToolbox": tiatoolbox_reader,
}
GOALS = {"OpenSlide": (3.5, 3.5, 4, 4), "tiffslide": (1.5, 3, 1.25, 1.25)}
"""For the pixels alone, at each of `PLACES`."""
AHEAD = 1.25
"""Goal up to the network, where the turn into float32 is the same for all: faster in any case."""
CASES = [
    (name, *place, goal)
    for name, goals in GOALS.items()
    for place, goal in zip(PLACES, goals, strict=True)
]


@pytest.fixture(scope="module")
def slide(stained, tmp_path_factory):
    """A tiled JPEG TIFF of two levels."""
    path = tmp_path_factory.mktemp("slide") / "slide.tif"
    noise = np.random.default_rng(0).integers(-8, 8, (SIDE, SIDE, 1), np.int16)
    whole = np.tile(stained, (SIDE // 256, SIDE // 256, 1))
    pixels = np.clip(whole + noise, 0, 255).astype(np.uint8)
    how = {
        "tile": (256, 256),
        "compression": "jpeg",
        "compressionargs": {"level": 80},
        "resolution": (40_000, 40_000),
        "resolutionunit": "CENTIMETER",
    }
    with tifffile.TiffWriter(path) as out:
        out.write(pixels, photometric="rgb", **how)
        out.write(pixels[::4, ::4], photometric="rgb", subfiletype=1, **how)
    return path


@pytest.fixture
def scanned(shared_data):
    path = shared_data / "WSI" / SCANNED
    if not path.exists():
        pytest.skip(f"needs {SCANNED}, which is not on this machine")
    return path


@pytest.mark.parametrize(("name", "offset", "side", "goal"), CASES)
def test_pixels_of_a_slide(beside, slide, name, offset, side, goal):
    with histokit_reader(slide) as ours, PEERS[name](slide) as theirs:
        beside(walk(ours, offset, side), walk(theirs, offset, side), name=name, goal=goal)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(("offset", "side"), PLACES)
def test_from_a_slide_to_the_network(beside, slide, name, offset, side):
    with histokit_reader(slide) as ours, PEERS[name](slide) as theirs:
        both = [walk(as_input(read), offset, side, 64) for read in (ours, theirs)]
        beside(*both, name=name, goal=AHEAD, rounds=3)


def test_pixels_of_a_scanned_slide_beside_openslide(beside, scanned):
    both = [through(reader, scanned, 77, 256) for reader in (histokit_reader, openslide_reader)]
    beside(*both, name="OpenSlide", goal=3.5, rounds=5)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize(("offset", "side"), PLACES)
def test_from_a_scanned_slide_to_the_network(beside, scanned, name, offset, side):
    both = [
        through(reader, scanned, offset, side, as_input)
        for reader in (histokit_reader, PEERS[name])
    ]
    beside(*both, name=name, goal=AHEAD, rounds=3)


def walk(read, offset, side, tiles=TILES):
    """A call that reads the next tiles of the made-up slide, row by row and round again."""
    across = (SIDE - offset) // side
    numbers = count()

    def some():
        for _ in range(max(1, tiles * 256**2 // side**2)):
            row, column = divmod(next(numbers) % across**2, across)
            read(offset + side * column, offset + side * row, side)

    return some


def through(reader, path, offset, side, change=lambda read: read):
    """A call that opens a small slide anew, as tiles of it would still be there, and reads it."""
    across, down = (2220 - offset) // side, (2967 - offset) // side
    places = [
        (offset + side * column, offset + side * row)
        for row in range(down)
        for column in range(across)
    ]

    def whole():
        with reader(path) as opened:
            read = change(opened)
            for place in places:
                read(*place, side)

    return whole


def as_input(read):
    """The same reader, of what a network takes."""

    def tensor(x, y, side):
        planes = np.ascontiguousarray(read(x, y, side).transpose(2, 0, 1))
        return torch.from_numpy(planes)[None].float().div_(255)

    return tensor
