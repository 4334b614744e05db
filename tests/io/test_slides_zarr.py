"""Slides in OME-Zarr: every level and the pixel size, whatever the version and the axes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from histokit.errors import DataError, PluginError
from histokit.io.slides_open import is_slide, open_slide
from slides import nuclei, write_pyramid, write_zarr

zarr = pytest.importorskip("zarr", minversion="3", reason="the extra zarr")
UNITS = {"micrometer": 0.25, "nanometer": 250.0, "millimeter": 0.00025}


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    """The levels of a slide, and the slide in TIFF."""
    path = tmp_path_factory.mktemp("tiff") / "s.tif"
    return write_pyramid(path, nuclei(200, 300), levels=3, mpp=0.25), path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "yxc", "tczyx", "cxy"])
def test_a_slide_makes_the_round_trip(tmp_path, pyramid, version, axes):
    levels, tiff = pyramid
    path = write_zarr(tmp_path / "a b é.ome.zarr", levels, axes=axes, version=version)
    assert is_slide(path)
    with open_slide(path) as slide, open_slide(tiff) as other:
        assert slide.levels == other.levels
        assert slide.mpp == pytest.approx(other.mpp)
        for number, level in enumerate(levels):
            height, width = level.shape[:2]
            assert np.array_equal(slide.region(number, 0, 0, width, height), level)
            assert np.array_equal(slide.region(number, 11, 7, 40, 30), level[7:37, 11:51])
        parts = [one.view(1.7).read(20, 30, 90, 70) for one in (slide, other)]
        assert np.array_equal(*parts)


def test_a_grey_image_has_three_equal_channels(tmp_path, pyramid):
    grey = pyramid[0][0][..., :1]
    path = write_zarr(tmp_path / "a.zarr", [np.repeat(grey, 3, 2)], axes="yx")
    with open_slide(path) as slide:
        assert np.array_equal(slide.region(0, 5, 3, 60, 50), np.repeat(grey, 3, 2)[3:53, 5:65])


@pytest.mark.parametrize("unit", UNITS)
def test_sizes_have_units(tmp_path, pyramid, unit):
    path = write_zarr(tmp_path / "a.zarr", pyramid[0], unit=unit, size=UNITS[unit])
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx((0.25, 0.25))


def test_sizes_that_are_not_known(tmp_path, pyramid):
    for number, more in enumerate(({"unit": ""}, {"unit": "parsec"}, {"size": 1e-6})):
        with open_slide(write_zarr(tmp_path / f"{number}.zarr", pyramid[0], **more)) as slide:
            assert slide.mpp is None
    with open_slide(write_zarr(tmp_path / "w.zarr", pyramid[0], size=1.0, whole=0.5)) as slide:
        assert slide.mpp == (0.5, 0.5)


def test_the_layout_of_bioformats2raw(tmp_path, pyramid):
    path = write_zarr(tmp_path / "a.zarr", pyramid[0], axes="tczyx", version="0.4", below="0")
    with open_slide(path) as slide:
        assert slide.levels[0].width == 300


def wrong(path):
    with pytest.raises(DataError, match="cannot open the slide") as error:
        open_slide(path)
    assert str(path) in error.value.what
    return error.value.found


def test_what_is_no_such_slide_is_told(tmp_path, pyramid):
    levels = pyramid[0]
    (tmp_path / "empty.zarr").mkdir()
    assert "zarr: " in wrong(tmp_path / "empty.zarr")
    zarr.create_group(store=tmp_path / "bare.zarr")
    assert "no OME-Zarr image" in wrong(tmp_path / "bare.zarr")
    assert "version 0.9" in wrong(write_zarr(tmp_path / "new.zarr", levels, version="0.9"))
    path = write_zarr(tmp_path / "deep.zarr", levels)
    group = zarr.open_group(path)
    group.create_array("0", data=np.zeros((3, 9, 9), np.uint16), overwrite=True)
    assert "samples of type uint16" in wrong(path)
    group.create_array("0", data=np.zeros((4, 9, 9), np.uint8), overwrite=True)
    assert "4 channels" in wrong(path)
    group.create_array("0", data=np.zeros((9, 9), np.uint8), overwrite=True)
    assert "axes cyx" in wrong(path)
    group.update_attributes({"ome": {"version": "0.5", "multiscales": [{"axes": ["c"]}]}})
    assert "another form" in wrong(path)
    (tmp_path / "file.zarr").write_bytes(b"no folder")
    assert wrong(tmp_path / "file.zarr")


def test_a_damaged_chunk_is_named(tmp_path, pyramid):
    path = write_zarr(tmp_path / "a.zarr", pyramid[0])
    chunk = next(p for p in sorted((path / "0" / "c").rglob("*")) if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:9])
    with open_slide(path) as slide, pytest.raises(DataError, match="level 0") as error:
        slide.region(0, 0, 0, 60, 60)
    assert str(path) in error.value.what


def test_the_extra_is_named_where_it_is_missing(tmp_path, pyramid, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr", pyramid[0])
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(PluginError, match="zarr"):
        open_slide(path)
