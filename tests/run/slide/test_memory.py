"""A slide far larger than memory goes through, and takes no more than it was given."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from imagecodecs import zlib_encode

from histokit.io.slides_open import open_slide
from slides import nuclei

SIDE, TILE = 30_720, 512
TISSUE = {(row + at, col + at) for at in (3, 50) for row in range(6) for col in range(6)}
"""Rows and columns of the tiles that hold tissue."""
PROGRAM = """
import resource, sys
from pathlib import Path
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from histokit.run.translate import TranslateOptions, translate
verb, folder, gib = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
where = [folder / "large.tif"], folder / "out"
given = {"device": "cpu", "slides": SlideOptions(max_memory=gib)}
if verb == "predict":
    events = predict(PredictOptions("otsu-hed", *where, formats=("geojson.gz",), **given))
else:
    events = translate(TranslateOptions("identity", *where, compression="deflate", **given))
for event in events:
    print(event, flush=True, file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def large_slide(path):
    """A pyramid of glass with tissue in two corners, written without holding it."""
    glass = zlib_encode(np.full((TILE, TILE, 3), 244, np.uint8).tobytes())
    tissue = zlib_encode(nuclei(TILE, TILE).tobytes())
    options = {"tile": (TILE, TILE), "photometric": "rgb", "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        places = [(row, col) for row in range(SIDE // TILE) for col in range(SIDE // TILE)]
        tiles = (tissue if place in TISSUE else glass for place in places)
        file.write(tiles, shape=(SIDE, SIDE, 3), dtype=np.uint8, **options)
        small = np.full((SIDE // 16, SIDE // 16, 3), 244, np.uint8)
        for row, col in TISSUE:
            part = small[row * TILE // 16 :, col * TILE // 16 :][: TILE // 16, : TILE // 16]
            part[:] = nuclei(TILE, TILE)[::16, ::16]
        file.write(small, subfiletype=1, **options)


def peak_of(verb, folder, gib):
    """Bytes that a command took on a large slide."""
    large_slide(folder / "large.tif")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, verb, str(folder), str(gib)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_memory_stays_below_what_was_given(tmp_path):
    assert peak_of("predict", tmp_path, 2.0) < 2.0 * 2**30
    with gzip.open(tmp_path / "out" / "geojson" / "large.geojson.gz") as file:
        found = json.load(file)["features"]
    assert len(found) > 5000


@pytest.mark.slow
def test_a_translation_stays_below_too(tmp_path):
    assert peak_of("translate", tmp_path, 1.5) < 1.5 * 2**30
    with open_slide(tmp_path / "out" / "large.ome.tif") as slide:
        assert [level.width for level in slide.levels] == [SIDE // 2**n for n in range(7)]
        tile = slide.region(0, 4 * TILE, 4 * TILE, TILE, TILE)
        glass = slide.region(0, 30 * TILE, 30 * TILE, TILE, TILE)
    assert np.array_equal(tile, nuclei(TILE, TILE))
    assert (glass == 255).all()


MANY = """
import resource, sys, time
from pathlib import Path
import numpy as np
from histokit.interfaces import Instances
from histokit.io.geojson import collection, features
from histokit.run.nuclei_table import nuclei_table
path, side, cell = Path(sys.argv[1]), 2048, 24
rows, cols = np.mgrid[:side, :side]
disc = (rows % cell - 11.5) ** 2 + (cols % cell - 11.5) ** 2 < 100
whole = (rows < side // cell * cell) & (cols < side // cell * cell)
number = rows // cell * (side // cell) + cols // cell + 1
ids = np.where(disc & whole, number, 0).astype(np.int32)
count, image = int(ids.max()), np.full((side, side, 3), 120, np.uint8)
keys = range(1, count + 1)
found = Instances(ids, dict.fromkeys(keys, 1), dict.fromkeys(keys, 0.9))
began, scale, names = time.process_time(), (1.0, 1.0), ("nucleus",)
if path.suffix == ".csv":
    with nuclei_table(path, "s", mpp=(0.25, 0.25), class_names=names) as add:
        for block in range(28):
            add(found, image, (block * side, 0), block * count)
else:
    with collection(path, {}) as add:
        for block in range(28):
            corner = float(block * side), 0.0
            for text in features(found, corner, scale, (0.25, 0.25), names, before=block * count):
                add(text)
print(28 * count, time.process_time() - began)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["many.geojson", "many.geojson.gz", "many.csv"])
def test_200000_nuclei_take_less_than_a_minute_and_a_gibibyte(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=True,
    )
    count, seconds, peak = map(float, done.stdout.split())
    assert count > 200_000
    assert seconds < 60
    assert peak < 2**30
