"""What is taken from a file: so much, and no byte, page or pixel more."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
import tifffile

from histokit.data import pcns, sheets
from histokit.errors import DataError
from histokit.io import decode_tiff, features, limits, npz, slides_tiff
from histokit.io import embedded as records
from histokit.io.embedded import embedded
from histokit.io.features import read_features
from histokit.io.images import read_image
from histokit.io.limits import bounded
from histokit.io.slides_open import open_slide


def _geojson(path):
    path.write_text('{"type": "FeatureCollection", "features": []}')
    return path.stat().st_size


def _packed_geojson(path):
    text = b'{"type": "FeatureCollection", "features": []}'
    path.write_bytes(gzip.compress(text))
    return len(text)


def _sheet(path):
    text = "<x><row><c><v>1</v></c></row></x>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(sheets.FIRST_SHEET, text)
    return len(text)


def _arrays(path):
    np.savez_compressed(path, a=np.zeros(1000), b=np.zeros(10, np.uint8))
    with zipfile.ZipFile(path) as archive:
        return sum(part.file_size for part in archive.infolist())


def _text(path):
    path.write_bytes(gzip.compress(b"Patch-ID" + b" " * 1000))
    return 1008


READERS = {
    "a.geojson": (features, "MAX_GEOJSON", _geojson, read_features),
    "a.geojson.gz": (features, "MAX_GEOJSON", _packed_geojson, read_features),
    "a.xlsx": (sheets, "MAX_SHEET", _sheet, sheets.read_sheet),
    "a.npz": (npz, "MAX_ARRAYS", _arrays, npz.read_npz),
    "a.txt.gz": (pcns, "MAX_TEXT", _text, pcns._text),
}


@pytest.mark.parametrize("name", READERS)
def test_files_at_the_limit_are_read_and_beyond_refused(tmp_path, monkeypatch, name):
    module, limit, write, read = READERS[name]
    path = tmp_path / name
    size = write(path)
    assert getattr(module, limit) == getattr(limits, limit) > size
    monkeypatch.setattr(module, limit, size)
    read(path)
    monkeypatch.setattr(module, limit, size - 1)
    with pytest.raises(DataError, match=f"{name} is too large") as caught:
        read(path)
    assert str(size - 1) in caught.value.expected


def test_a_bomb_is_refused_before_it_is_in_memory(tmp_path, monkeypatch):
    """1000 times its size, as deflate packs blanks."""
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(gzip.compress(b" " * 2**25))
    assert path.stat().st_size < 2**25 / 900
    monkeypatch.setattr(features, "MAX_GEOJSON", 2**20)
    tracemalloc.start()
    with pytest.raises(DataError, match="is too large"):
        read_features(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**23


def test_pages_of_a_tiff(tmp_path):
    """Further pages that are smaller are levels, which are left out."""
    for count in (limits.MAX_PAGES, limits.MAX_PAGES + 1):
        with tifffile.TiffWriter(tmp_path / f"{count}.tif") as writer:
            writer.write(np.zeros((16, 16), np.uint8))
            for _ in range(count - 1):
                writer.write(np.zeros((8, 8), np.uint8), subfiletype=1)
    assert decode_tiff.MAX_PAGES == limits.MAX_PAGES
    assert read_image(tmp_path / f"{limits.MAX_PAGES}.tif").shape == (16, 16, 3)
    with pytest.raises(DataError, match=f"more than {limits.MAX_PAGES} pages"):
        read_image(tmp_path / f"{limits.MAX_PAGES + 1}.tif")


def test_tiles_of_a_slide(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    tifffile.imwrite(path, pixels, tile=(32, 32), photometric="rgb")
    monkeypatch.setattr(slides_tiff, "MAX_TILE", 32 * 32 * 3)
    with open_slide(path, "tifffile") as slide:
        assert (slide.height, slide.width) == (96, 96)
    monkeypatch.setattr(slides_tiff, "MAX_TILE", 32 * 32 * 3 - 1)
    with pytest.raises(DataError, match="too large to be decoded"):
        open_slide(path, "tifffile")


def test_json_in_which_a_record_is_looked_for(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(dict.fromkeys(records.OURS, "a")))
    monkeypatch.setattr(records, "MAX_JSON", path.stat().st_size)
    assert embedded(path)
    monkeypatch.setattr(records, "MAX_JSON", path.stat().st_size - 1)
    assert not embedded(path)


@pytest.mark.parametrize("size", [0, 4, 5])
def test_bounded_gives_all_that_is_there(tmp_path, size):
    assert bounded(tmp_path, io.BytesIO(bytes(size)), 5) == bytes(size)
    with pytest.raises(DataError, match="too large"):
        bounded(tmp_path, io.BytesIO(bytes(6)), 5)
