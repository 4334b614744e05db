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

from slides import nuclei

SIDE, TILE = 30_720, 512
TISSUE = {(row + at, col + at) for at in (3, 50) for row in range(6) for col in range(6)}
"""Rows and columns of the tiles that hold tissue."""
PROGRAM = """
import resource, sys
from pathlib import Path
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
folder, gib = Path(sys.argv[1]), float(sys.argv[2])
options = PredictOptions(
    "otsu-hed", [folder / "large.tif"], folder / "out", device="cpu", formats=("geojson.gz",),
    slides=SlideOptions(max_memory=gib, mask=sys.argv[3]),
)
for event in predict(options):
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


@pytest.mark.slow
def test_memory_stays_below_what_was_given(tmp_path):
    large_slide(tmp_path / "large.tif")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "2.0", ""],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) < 2.0 * 2**30
    with gzip.open(tmp_path / "out" / "geojson" / "large.geojson.gz") as file:
        found = json.load(file)["features"]
    assert len(found) > 5000
