"""What is taken from a file: so much, and no byte, page or pixel more."""

from __future__ import annotations

import gzip
import io
import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from histokit.data import pcns, sheets
from histokit.errors import DataError
from histokit.io import (
    decode_tiff,
    features,
    files,
    hovernet_files,
    limits,
    npz,
    slides_open,
    slides_openslide,
    slides_tiff,
    slides_zarr,
)
from histokit.io import embedded as records
from histokit.io.embedded import embedded
from histokit.io.features import read_features
from histokit.io.images import read_image, read_mask
from histokit.io.labels import read_label_notes
from histokit.io.limits import bounded
from histokit.io.slides_open import open_slide
from slides import write_pyramid, write_zarr


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


def _json(path):
    path.write_text('{"a": "ä"}', encoding="utf-8")
    return path.stat().st_size


READERS = {
    "a.json": (files, "MAX_GEOJSON", _json, files.read_json),
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


@pytest.mark.parametrize(
    ("backend", "module", "bytes_a_pixel"),
    [("tifffile", slides_tiff, 3), ("openslide", slides_openslide, 4)],
)
def test_tiles_of_a_slide(tmp_path, monkeypatch, backend, module, bytes_a_pixel):
    path = tmp_path / "a.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    tifffile.imwrite(path, pixels, tile=(32, 32), photometric="rgb")
    monkeypatch.setattr(module, "MAX_TILE", 32 * 32 * bytes_a_pixel)
    with open_slide(path, backend) as slide:
        assert (slide.height, slide.width) == (96, 96)
    monkeypatch.setattr(module, "MAX_TILE", 32 * 32 * bytes_a_pixel - 1)
    with pytest.raises(DataError, match=r"a\.tif is too large to be read(.|\n)*32x32"):
        open_slide(path, backend)


def test_chunks_of_a_slide(tmp_path, monkeypatch):
    pytest.importorskip("zarr", minversion="3", reason="the extra zarr")
    path = write_zarr(tmp_path / "a.zarr", [np.zeros((96, 96, 3), np.uint8)])
    monkeypatch.setattr(slides_zarr, "MAX_TILE", 3 * 64 * 64)
    with open_slide(path) as slide:
        assert (slide.height, slide.width) == (96, 96)
    monkeypatch.setattr(slides_zarr, "MAX_TILE", 3 * 64 * 64 - 1)
    with pytest.raises(DataError, match=r"a\.zarr is too large to be read(.|\n)*3x64x64"):
        open_slide(path)


@pytest.mark.parametrize("backend", ["tifffile", "openslide"])
def test_pixels_of_a_slide(tmp_path, monkeypatch, backend):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 96, 3), np.uint8), tile=(32, 32), photometric="rgb")
    monkeypatch.setattr(slides_open, "MAX_SLIDE", 64 * 96)
    with open_slide(path, backend) as slide:
        assert (slide.height, slide.width) == (64, 96)
    monkeypatch.setattr(slides_open, "MAX_SLIDE", 64 * 96 - 1)
    with pytest.raises(DataError, match=r"a\.tif is too large to be read(.|\n)*96x64"):
        open_slide(path, backend)


def test_pages_of_a_slide(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    write_pyramid(path, np.zeros((96, 96, 3), np.uint8), levels=3, tile=32)
    monkeypatch.setattr(slides_tiff, "MAX_DIRECTORIES", 3)
    with open_slide(path, "tifffile") as slide:
        assert len(slide.levels) == 3
    monkeypatch.setattr(slides_tiff, "MAX_DIRECTORIES", 2)
    for backend in ("tifffile", "openslide"):
        with pytest.raises(DataError, match="more than 2 pages"):
            open_slide(path, backend)


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


def test_bounded_asks_for_no_more_than_a_piece_at_once(tmp_path):
    """Python sets aside as many bytes as are asked for."""
    asked = []

    class Handle(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    assert bounded(tmp_path, Handle(b"abc"), limits.MAX_GEOJSON) == b"abc"
    assert max(asked) <= 2**20


def test_arrays_of_an_archive(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=np.zeros(1), b=np.zeros(1))
    assert npz.MAX_MEMBERS == limits.MAX_MEMBERS
    monkeypatch.setattr(npz, "MAX_MEMBERS", 2)
    assert sorted(npz.read_npz(tmp_path / "a.npz")) == ["a", "b"]
    monkeypatch.setattr(npz, "MAX_MEMBERS", 1)
    with pytest.raises(DataError, match=r"a\.npz holds too many arrays"):
        npz.read_npz(tmp_path / "a.npz")


def test_notes_in_a_picture(tmp_path):
    """A longer description is another program's, so the file says nothing of histokit."""
    for name, length in (("at", limits.MAX_NOTE), ("beyond", limits.MAX_NOTE + 1)):
        note = json.dumps({"mpp": 1, "objects": 0, "x": ""})
        note = note[:-2] + "x" * (length - 1 - len(note)) + note[-2:]  # a zero byte ends it
        assert len(note) + 1 == length
        ids = np.zeros((4, 4), np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", ids, description=note, metadata=None)
    assert read_label_notes(tmp_path / "at.tif")["objects"] == 0
    assert embedded(tmp_path / "at.tif")["mpp"] == 1
    assert read_label_notes(tmp_path / "beyond.tif") is None
    assert embedded(tmp_path / "beyond.tif") == {}


def test_the_head_of_a_collection(tmp_path):
    """The record of a GeoJSON file is looked for in so many characters."""
    for name, before in (("at", limits.MAX_NOTE - 30), ("beyond", limits.MAX_NOTE)):
        text = '{"type":"x"' + " " * (before - 11) + ',"histokit":{"mpp":1},"features":[]}'
        (tmp_path / f"{name}.geojson").write_text(text)
    assert embedded(tmp_path / "at.geojson") == {"mpp": 1}
    assert embedded(tmp_path / "beyond.geojson") == {}


RING = "[[0,0],[{0},0],[0,5]]"
POLYGON = '{{"geometry":{{"type":"Polygon","coordinates":[' + RING + "]}}}}"
CONTOUR = '{{"nuc":{{"1":{{"contour":' + RING + "}}}}}}"


@pytest.mark.parametrize(
    ("limit", "text", "read"),
    [
        (limits.MAX_COORDINATE, POLYGON, read_features),
        (limits.MAX_DRAWN, CONTOUR, hovernet_files.read_hovernet_json),
    ],
)
def test_points_of_outlines(tmp_path, limit, text, read):
    path = tmp_path / "a.json"
    path.write_text(text.format(int(limit)))
    read(path)
    path.write_text(text.format(int(limit) + 1))
    with pytest.raises(DataError, match=r"a\.json"):
        read(path)


def test_ids_of_a_mask(tmp_path):
    for name, highest in (("at", limits.MAX_ID), ("beyond", limits.MAX_ID + 1)):
        np.save(tmp_path / f"{name}.npy", np.full((2, 2), highest, np.int64))
    assert read_mask(tmp_path / "at.npy").max() == limits.MAX_ID
    with pytest.raises(DataError, match=r"beyond\.npy"):
        read_mask(tmp_path / "beyond.npy")


def test_nothing_else_in_the_package_of_files_is_a_limit():
    """They stand in one module; the others take them from there."""
    pattern = re.compile(r"^(MAX_\w+|FARTHEST|LARGEST) *(: *\w+)?= *[\d(]", re.MULTILINE)
    files_of_ours = Path(limits.__file__).parent.glob("*.py")
    found = {path.name for path in files_of_ours if pattern.search(path.read_text())}
    assert found - {"stores.py"} == {"limits.py"}  # which cuts what it writes into chunks
