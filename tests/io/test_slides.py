"""Slides come back right at every level and pixel size, by either library."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from histokit.errors import DataError
from histokit.io.slides import over_white
from histokit.io.slides_open import is_slide, open_slide
from slides import write_pyramid

BACKENDS = ("tifffile", "openslide")


def blob(height, width, x, y):
    """A dark round spot about the point (x, y), pixel corners being whole numbers."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    dark = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 25.0**2))
    return np.repeat(np.rint(255 - dark).astype(np.uint8)[..., None], 3, 2)


def noise(height, width):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_level_is_that_of_the_file(tmp_path, backend):
    levels = write_pyramid(tmp_path / "a b é.tif", noise(700, 500), levels=3, mpp=0.25)
    with open_slide(tmp_path / "a b é.tif", backend) as slide:
        assert [(level.height, level.width) for level in slide.levels] == [
            level.shape[:2] for level in levels
        ]
        assert slide.mpp == pytest.approx((0.25, 0.25))
        for number, pixels in enumerate(levels):
            height, width = pixels.shape[:2]
            assert np.array_equal(slide.region(number, 0, 0, width, height), pixels)
            part = slide.region(number, width - 61, 7, 61, 90)
            assert np.array_equal(part, pixels[7:97, -61:])


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_real_slides_say_of_themselves(shared_data, backend):
    with open_slide(shared_data / "WSI" / "CMU-1-Small-Region.svs", backend) as slide:
        assert (slide.width, slide.height, len(slide.levels)) == (2220, 2967, 1)
        assert (slide.mpp, slide.power) == ((0.499, 0.499), 20.0)
    with open_slide(shared_data / "WSI" / "TCGA-CR-7395-01A-01-TS1.svs", backend) as slide:
        assert [(level.width, level.height) for level in slide.levels] == [
            (4443, 3567),
            (2221, 1783),
        ]
        assert (slide.mpp, slide.power) == (None, None)


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs"])
def test_both_libraries_agree(shared_data, name):
    path = shared_data / "WSI" / name
    with open_slide(path, "tifffile") as one, open_slide(path, "openslide") as other:
        assert one.levels == other.levels
        for level, place in [(0, (601, 333, 500, 400)), (len(one.levels) - 1, (240, 7, 300, 500))]:
            a, b = (slide.region(level, *place).astype(int) for slide in (one, other))
            # OpenSlide takes level 1 of the TCGA slide at a whole pixel of level 0: some 0.02
            # pixels aside
            assert np.abs(a - b).mean() < (0.01 if level == 0 else 1.0)


def test_a_pyramid_of_odd_factors_is_read_right_at_every_level(shared_data):
    path = shared_data / "WSI" / "synthetic_levels.tiff"
    with tifffile.TiffFile(path) as file:
        pages = [page.asarray() for page in file.pages]
    assert is_slide(path)
    with open_slide(path) as slide:
        assert slide.mpp is None  # 352 µm, which is 72 dpi
        assert [level.width for level in slide.levels] == [300, 150, 75, 37]
        for number, pixels in enumerate(pages):
            height, width = pixels.shape[:2]
            part = slide.region(number, 5, 9, width - 5, height - 9)
            assert np.array_equal(part, pixels[9:, 5:])
        view = slide.view((300 / 75, 250 / 62))
        assert (view.level, view.resampled) == (2, False)
        odd = slide.view(3.0)
        assert odd.level == 1
        assert np.abs(odd.read(0, 0, 100, 83).astype(int).mean() - pages[0].mean()) < 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("factor", [0.5, 1.25, 2.0, 2.7, 4.0, 5.3])
def test_positions_are_right_to_a_fraction_of_a_pixel(tmp_path, factor, backend):
    picture = blob(333, 421, 203.7, 151.2)
    write_pyramid(tmp_path / "blob.tif", picture, levels=3)
    with open_slide(tmp_path / "blob.tif", backend) as slide:
        view = slide.view(factor)
        left, top = view.width // 10, view.height // 20
        dark = 255.0 - view.read(left, top, view.width - left, view.height - top)[..., 0]
    sx, sy = view.scale
    x = (dark.sum(0) * (np.arange(dark.shape[1]) + left + 0.5) * sx).sum() / dark.sum()
    y = (dark.sum(1) * (np.arange(dark.shape[0]) + top + 0.5) * sy).sum() / dark.sum()
    # the levels leave the odd last row and column out, which moves what they hold a little
    assert (x, y) == pytest.approx((203.7, 151.2), abs=0.15 if view.level == 0 else 0.8)


@pytest.mark.parametrize("factor", [0.7, 1.6, 3.1])
def test_parts_fit_as_if_cut_from_the_whole(tmp_path, factor):
    write_pyramid(tmp_path / "n.tif", noise(400, 300), levels=2)
    with open_slide(tmp_path / "n.tif") as slide:
        view = slide.view(factor)
        whole = view.read(0, 0, view.width, view.height).astype(int)
        for x, y, width, height in [(0, 0, 9, 7), (33, 21, 40, 50), (view.width - 8, 60, 8, 12)]:
            part = view.read(x, y, width, height)
            assert np.abs(part - whole[y : y + height, x : x + width]).max() <= 1
        with pytest.raises(DataError, match="outside"):
            view.read(view.width - 3, 0, 4, 4)


def test_the_coarsest_level_that_suffices_is_taken(tmp_path):
    write_pyramid(tmp_path / "n.tif", noise(800, 640), levels=4)
    with open_slide(tmp_path / "n.tif") as slide:
        assert [slide.view(f).level for f in (1, 1.9, 2, 3.9, 4, 7.7, 8, 30)] == [
            0, 0, 1, 1, 2, 2, 3, 3,
        ]  # fmt: skip
        assert slide.view(2.1, same=0.1).resampled is False
        assert slide.view(2.3, same=0.1).resampled is True
        assert slide.thumbnail(100).shape == (100, 80, 3)
        assert slide.thumbnail(190).shape == (100, 80, 3)
        assert slide.thumbnail(2000).shape == (800, 640, 3)


def test_large_parts_are_the_same_in_halves(tmp_path, monkeypatch):
    write_pyramid(tmp_path / "n.tif", noise(700, 500))
    with open_slide(tmp_path / "n.tif") as slide:
        whole = slide.thumbnail(90)
        monkeypatch.setattr("histokit.io.slides.AT_ONCE", 5000)
        joined = slide.thumbnail(90)
    assert whole.shape == joined.shape == (90, 64, 3)
    assert np.abs(whole.astype(int) - joined).max() <= 1


def test_ome_tiff_gives_its_levels_and_pixel_size(tmp_path):
    picture = noise(512, 768)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        about = {"axes": "YXS", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}
        about |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
        options = {"tile": (128, 128), "photometric": "rgb", "compression": "zlib"}
        file.write(picture, subifds=1, metadata=about, **options)
        file.write(picture[::2, ::2], subfiletype=1, **options)
    assert is_slide(tmp_path / "a.ome.tif")
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.mpp == pytest.approx((0.25, 0.5))
        assert [level.width for level in slide.levels] == [768, 384]
        assert np.array_equal(slide.region(1, 3, 4, 200, 100), picture[::2, ::2][4:104, 3:203])


def test_transparent_is_white_and_grey_is_rgb(tmp_path):
    rgba = np.dstack([noise(256, 256), np.zeros((256, 256), np.uint8)])
    rgba[:, :128, 3] = 255
    tile = {"tile": (128, 128), "compression": "zlib"}
    tifffile.imwrite(
        tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"], **tile
    )
    tifffile.imwrite(tmp_path / "grey.tif", rgba[..., 0], photometric="minisblack", **tile)
    with open_slide(tmp_path / "rgba.tif") as slide:
        pixels = slide.region(0, 0, 0, 256, 256)
        assert np.array_equal(pixels[:, :128], rgba[:, :128, :3])
        assert (pixels[:, 128:] == 255).all()
    with open_slide(tmp_path / "grey.tif") as slide:
        assert np.array_equal(slide.region(0, 9, 0, 9, 9)[..., 2], rgba[:9, 9:18, 0])
    half = np.array([[[10, 20, 30, 128]]], np.uint8)
    assert over_white(half).tolist() == [[[132, 137, 142]]]


def test_what_is_a_slide(tmp_path, shared_data):
    Image.fromarray(noise(40, 40)).save(tmp_path / "plain.tif")
    tifffile.imwrite(tmp_path / "tiled.tif", noise(300, 300), tile=(128, 128))
    (tmp_path / "text.tif").write_text("no slide")
    assert not any(is_slide(path) for path in tmp_path.iterdir())
    assert is_slide(shared_data / "WSI" / "CMU-1-Small-Region.svs")
    assert not is_slide(tmp_path / "missing.tif")
    assert is_slide(tmp_path / "missing.ndpi")


def test_damaged_slides_are_named(tmp_path, shared_data):
    sound = (shared_data / "WSI" / "CMU-1-Small-Region.svs").read_bytes()
    bad = {"cut.svs": sound[: len(sound) // 2], "text.svs": b"not a slide", "empty.svs": b""}
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name) as error:
            open_slide(tmp_path / name)
        assert "openslide" in error.value.found
        assert "tifffile" in error.value.found
    with pytest.raises(DataError, match="does not exist"):
        open_slide(tmp_path / "none.svs")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_broken_tile_is_told(tmp_path, shared_data, backend):
    path = tmp_path / "broken.svs"
    data = bytearray((shared_data / "WSI" / "CMU-1-Small-Region.svs").read_bytes())
    with tifffile.TiffFile(shared_data / "WSI" / "CMU-1-Small-Region.svs") as file:
        at, count = file.pages[0].dataoffsets[11], file.pages[0].databytecounts[11]
    data[at : at + count] = bytes(count)
    path.write_bytes(data)
    with (
        open_slide(path, backend) as slide,
        pytest.raises(DataError, match=r"broken\.svs"),
    ):
        slide.region(0, 0, 0, 2220, 500)


def test_a_disk_that_goes_away_is_told(tmp_path, monkeypatch):
    def lost(*_):
        raise OSError("Input/output error")

    write_pyramid(tmp_path / "s.tif", noise(200, 200))
    with open_slide(tmp_path / "s.tif", "tifffile") as slide:
        monkeypatch.setattr(tifffile.FileHandle, "read", lost)
        with pytest.raises(DataError, match=r"s\.tif in tile 0 of level 0"):
            slide.region(0, 0, 0, 9, 9)
