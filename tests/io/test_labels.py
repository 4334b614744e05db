from __future__ import annotations

import json
import os
from contextlib import suppress

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from faults.mutations import in_time, mutated
from histokit.errors import DataError
from histokit.io.labels import read_label_notes, read_label_tiff, write_label_tiff

maps = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0, 1, 65_535, 65_536, 2**31 - 1]),
)


@settings(deadline=None)
@given(maps)
def test_write_then_read_is_the_identity(tmp_path_factory, ids):
    path = tmp_path_factory.getbasetemp() / "ids.tif"
    write_label_tiff(path, ids)
    found = read_label_tiff(path)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, ids)


@pytest.mark.parametrize(
    ("largest", "dtype"), [(0, "uint16"), (65_535, "uint16"), (65_536, "uint32")]
)
def test_the_smallest_type_that_holds_the_ids_is_used(tmp_path, largest, dtype):
    write_label_tiff(tmp_path / "ids.tif", np.full((3, 4), largest, np.int32))
    assert tifffile.imread(tmp_path / "ids.tif").dtype == dtype


def test_size_description_and_resolution_stand_in_the_file(tmp_path):
    path = tmp_path / "ids.tif"
    ids = np.array([[0, 3], [70_000, 3]], np.int32)
    write_label_tiff(path, ids, mpp=0.25, provenance={"run": "µ"})
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.tags["XResolution"].value == (40_000, 1)
        assert page.tags["YResolution"].value == (40_000, 1)
        assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        about = json.loads(page.tags["ImageDescription"].value)
    assert about == {"mpp": 0.25, "objects": 2, "run": "µ"}


@pytest.mark.parametrize(("side", "tiled"), [(2000, False), (2001, True)])
def test_large_maps_are_tiled(tmp_path, side, tiled):
    ids = np.zeros((2, side), np.int32)
    ids[1, -1] = 9
    write_label_tiff(tmp_path / "ids.tif", ids)
    with tifffile.TiffFile(tmp_path / "ids.tif") as file:
        assert file.pages[0].is_tiled is tiled
    np.testing.assert_array_equal(read_label_tiff(tmp_path / "ids.tif"), ids)


def test_the_same_map_gives_the_same_bytes(tmp_path):
    ids = np.arange(12, dtype=np.int32).reshape(3, 4)
    for name in ("a.tif", "b.tif"):
        write_label_tiff(tmp_path / name, ids, mpp=0.5)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize(
    "ids",
    [
        np.zeros((2, 2, 3), np.int32),
        np.zeros((0, 4), np.int32),
        np.zeros((2, 2), np.float32),
        np.full((2, 2), -1, np.int32),
        np.full((2, 2), 2**31, np.int64),
    ],
)
def test_what_is_no_id_map_is_refused(tmp_path, ids):
    with pytest.raises(DataError, match=r"ids\.tif is no id map"):
        write_label_tiff(tmp_path / "ids.tif", ids)
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_refused_by_name(tmp_path):
    path = tmp_path / "ids.tif"
    with pytest.raises(DataError, match=r"ids\.tif does not exist"):
        read_label_tiff(path)
    path.write_bytes(b"no tiff")
    with pytest.raises(DataError, match=r"cannot read .*ids\.tif"):
        read_label_tiff(path)
    colours = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    tifffile.imwrite(path, colours, photometric="rgb")
    with pytest.raises(DataError, match="not a mask"):
        read_label_tiff(path)


def few(tmp_path, largest):
    """A map with ids up to `largest`, and its file."""
    ids = np.zeros((40, 50), np.int32)
    ids[3:9, 4:20], ids[20:30, 10:22], ids[33:38, 40:49] = 1, largest, 5
    write_label_tiff(tmp_path / "ids.tif", ids, mpp=0.5, provenance={"classes": {"1": 2}})
    return ids, tmp_path / "ids.tif"


def read_or_refused(path):
    """The map, or None where it is refused by name."""
    try:
        return read_label_tiff(path)
    except DataError as error:
        if str(path) not in str(error):
            raise
        return None


@pytest.mark.parametrize("largest", [7, 70_000])
def test_a_damaged_map_is_equal_or_refused_by_name(tmp_path, largest):
    ids, path = few(tmp_path, largest)
    whole, rng = path.read_bytes(), np.random.default_rng(largest)
    equal = 0
    for _ in range(150):
        path.write_bytes(mutated(whole, rng))
        with in_time():
            found = read_or_refused(path)
        if found is not None:
            np.testing.assert_array_equal(found, ids)
            equal += 1
    assert 0 < equal < 75  # most of the file matters, not all


def test_a_strip_that_is_said_to_be_empty_is_not_read_as_background(tmp_path):
    _, path = few(tmp_path, 7)
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["StripByteCounts"]
    data = bytearray(path.read_bytes())
    data[tag.offset + 8 : tag.offset + 12] = bytes(4)  # the value, as there is one strip
    path.write_bytes(data)
    with pytest.raises(DataError, match="missing strips"):
        read_label_tiff(path)


def test_a_pipe_in_place_of_a_map_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ids.tif")
    for read in (read_label_tiff, read_label_notes):
        with in_time(wait=5), pytest.raises(DataError, match="not a file"):
            read(tmp_path / "ids.tif")


def test_notes_are_those_of_histokit(tmp_path):
    _, path = few(tmp_path, 7)
    assert read_label_notes(path) == {"mpp": 0.5, "objects": 3, "classes": {"1": 2}}
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description='{"mpp": 0.5}')
    assert read_label_notes(path) is None
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description='{"mpp": 0.5, "objects')
    with pytest.raises(DataError, match=r"cannot read the notes of .*ids\.tif"):
        read_label_notes(path)


def test_damaged_notes_raise_nothing_else(tmp_path):
    _, path = few(tmp_path, 7)
    whole, rng = path.read_bytes(), np.random.default_rng(3)
    for _ in range(100):
        path.write_bytes(mutated(whole, rng))
        with in_time(), suppress(DataError):
            found = read_label_notes(path)
            assert found is None or isinstance(found, dict)
