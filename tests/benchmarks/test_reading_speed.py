"""Images read beside the libraries that users read them with."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.io.images import read_image
from histokit.io.stores import About, Row, Store, new_store

THREAD = "a thread a file, so that a disk that does not answer is told"


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
    """Of 1.75 ms the pixels take libpng 1.25, the thread that notices a dead disk 0.25, and 0.2 the
    look through the chunks for what the pixels mean: depth, animation, transparency, orientation.
    """
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
        missed=THREAD,
    )


def test_reading_lzw_tiff_beside_tifffile(beside, stained, tmp_path):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, stained, compression="lzw")
    assert np.array_equal(read_image(path), stained)
    beside(
        lambda: read_image(path),
        lambda: tifffile.imread(path),
        name="tifffile",
        goal=1,
        number=20,
        missed=THREAD,
    )


@pytest.mark.parametrize(("raw", "goal"), [(False, 1), (True, 60)])
def test_reading_an_imported_data_set_beside_png_of_opencv(
    beside, png, stained, tmp_path, raw, goal
):
    """Of 0.2 ms a raw image the checksum takes 0.07, finding the image by its name 0.05."""
    cv2 = pytest.importorskip("cv2")
    with new_store(tmp_path / "set.h5", raw=raw) as store:
        for number in range(20):
            store.add(Row(str(number), "one"), stained)
        store.finish(About("tiles", "semantic"))
    opened = Store(tmp_path / "set.h5")
    beside(
        lambda: [opened.image(place) for place in range(20)],
        lambda: [cv2.imread(str(png)) for _ in range(20)],
        name="OpenCV, PNG files",
        goal=goal,
        missed="each image is a named piece with a checksum" if raw else "",
    )
