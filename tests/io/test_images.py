import logging
import struct
import warnings
import zlib
from itertools import product
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from faults.mutations import PeakMemory
from histokit.errors import DataError
from histokit.io import images
from histokit.io.images import image_size, mask_bits, read_image, read_mask

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (24, 37, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
DEEP = RNG.integers(0, 65536, (24, 37, 3), dtype=np.uint16)
IDS = (np.arange(24 * 37).reshape(24, 37) * 71).astype(np.int32)


@pytest.fixture
def path(tmp_path: Path):
    return lambda name: tmp_path / name


def saved(path: Path, array, **options) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def tiff(path: Path, array, **options) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


def npy(path: Path, array) -> Path:
    np.save(path, array)
    return path


# images


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.tiff", "a.bmp"])
def test_rgb_is_read_as_it_is(path, name):
    file = saved(path(name), RGB)
    image = read_image(file)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, RGB)
    assert image_size(file) == (24, 37)


def test_the_content_decides_not_the_ending(path):
    file = saved(path("a.png"), RGB)
    file = file.rename(file.with_suffix(".jpg"))
    np.testing.assert_array_equal(read_image(file), RGB)


def test_jpeg_is_what_pillow_decodes(path):
    file = saved(path("a.jpg"), RGB, quality=90)
    np.testing.assert_array_equal(read_image(file), np.asarray(Image.open(file)))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_grey_is_repeated(path, name):
    np.testing.assert_array_equal(
        read_image(saved(path(name), GREY)), np.stack([GREY] * 3, axis=-1)
    )


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_one_bit_is_spread_to_black_and_white(path, name):
    bits = GREY > 127
    file = saved(path(name), bits)
    np.testing.assert_array_equal(read_image(file)[..., 1], bits * np.uint8(255))
    np.testing.assert_array_equal(read_mask(file), bits)
    assert mask_bits(file) == 1


def test_one_bit_tiff_that_stores_white_as_zero_is_turned_round(path):
    bits = GREY > 127
    file = tiff(path("a.tif"), bits, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(file)[..., 1], ~bits * np.uint8(255))
    np.testing.assert_array_equal(read_mask(file), ~bits)


def test_alpha_lies_over_white_and_full_alpha_is_dropped(path, caplog):
    alpha = RNG.integers(0, 256, GREY.shape, dtype=np.uint8)
    opaque = saved(path("o.png"), np.dstack([RGB, np.full_like(GREY, 255)]))
    np.testing.assert_array_equal(read_image(opaque), RGB)
    assert not caplog.records
    clear = saved(path("c.png"), np.dstack([RGB, alpha]))
    share = alpha[..., None] / 255
    np.testing.assert_array_equal(
        read_image(clear), np.floor(RGB * share + 255 * (1 - share) + 0.5)
    )


def test_premultiplied_alpha_is_not_multiplied_twice(path):
    alpha = np.full_like(GREY, 128)
    data = np.dstack([RGB // 2, alpha])
    file = tiff(path("a.tif"), data, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(read_image(file), RGB // 2 + 127)


def test_unknown_fourth_channel_is_dropped_only_when_constant(path):
    zeros = np.dstack([RGB, np.zeros_like(GREY)])
    file = tiff(path("a.tif"), zeros, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(read_image(file), RGB)
    data = np.dstack([RGB, GREY])
    file = tiff(path("b.tif"), data, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(DataError, match="unknown meaning"):
        read_image(file)


def test_palette_images_show_colours_and_palette_masks_keep_indices(path):
    image = Image.fromarray(GREY % 5).convert("P")
    image.putdata((GREY % 5).ravel().tolist())
    colours = RNG.integers(0, 256, (5, 3), dtype=np.uint8)
    image.putpalette(colours.ravel().tolist())
    for name in ("a.png", "a.tif", "a.bmp"):
        image.save(path(name))
        np.testing.assert_array_equal(read_image(path(name)), colours[GREY % 5])
        np.testing.assert_array_equal(read_mask(path(name)), GREY % 5)


def test_transparent_palette_entries_and_colour_keys_lie_over_white(path):
    image = Image.new("P", (2, 1))
    image.putdata([0, 1])
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(path("p.png"), transparency=1)
    assert read_image(path("p.png")).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    keyed = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    saved(path("k.png"), keyed, transparency=(4, 5, 6))
    assert read_image(path("k.png")).tolist() == [[[1, 2, 3], [255, 255, 255]]]
    saved(path("l.png"), np.array([[7, 9]], np.uint8), transparency=9)
    assert read_image(path("l.png"))[0, :, 0].tolist() == [7, 255]
    np.testing.assert_array_equal(read_mask(path("l.png")), [[7, 9]])


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_converted(path, name):
    Image.fromarray(RGB).convert("CMYK").save(path(name), quality=95)
    expected = np.asarray(Image.open(path(name)).convert("RGB")).astype(int)
    assert np.abs(read_image(path(name)) - expected).max() <= 1


@pytest.mark.parametrize("writer", ["png", "tif"])
@pytest.mark.parametrize("deep", [DEEP, DEEP[..., 0]], ids=["rgb", "grey"])
def test_sixteen_bits_are_scaled_from_the_full_range(path, writer, deep):
    file = path(f"a.{writer}")
    if writer == "png":
        file.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(deep)))
    else:
        tiff(file, deep, photometric="rgb" if deep.ndim == 3 else "minisblack")
    expected = np.rint(np.atleast_3d(deep) / 257)
    np.testing.assert_array_equal(read_image(file), np.broadcast_to(expected, RGB.shape))


def test_a_kind_of_conversion_is_told_once_to_the_logger(path, caplog, monkeypatch):
    monkeypatch.setattr(images, "_noted", set())
    file = path("a.png")
    file.write_bytes(imagecodecs.png_encode(DEEP))
    with caplog.at_level(logging.WARNING, logger="histokit"):
        read_image(file)
        read_image(file)
    assert [record.name for record in caplog.records] == ["histokit"]
    assert str(file) in caplog.text


def test_twelve_bits_are_scaled_from_twelve(path):
    deep = DEEP[..., 0] % 4096
    file = tiff(path("a.tif"), deep, photometric="minisblack", bitspersample=12)
    np.testing.assert_array_equal(read_image(file)[..., 0], np.rint(deep * 255.0 / 4095))
    np.testing.assert_array_equal(read_mask(file), deep)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_orientation_is_applied_to_images_and_sizes(path, name, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    if name == "a.tif":
        tiff(path(name), RGB, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    else:
        saved(path(name), RGB, exif=exif)
    if name == "a.jpg":
        with Image.open(path(name)) as file:
            stored = Image.fromarray(np.asarray(file))
    else:
        stored = Image.fromarray(RGB)
    stored.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    image = read_image(path(name))
    np.testing.assert_array_equal(image, expected)
    assert image_size(path(name)) == image.shape[:2]


def test_masks_are_not_turned(path):
    exif = Image.Exif()
    exif[274] = 6
    np.testing.assert_array_equal(read_mask(saved(path("a.png"), GREY, exif=exif)), GREY)


def test_broken_exif_neither_warns_nor_hides_the_image(path):
    exif = Image.Exif()
    exif[274] = 6
    file = saved(path("a.jpg"), RGB, exif=exif.tobytes()[:22] + b"\xff" * 8)
    assert read_image(file).shape in ((24, 37, 3), (37, 24, 3))


def test_a_broken_colour_profile_of_a_png_is_not_spoken_of(path, capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])  # else pytest's would take the remark
    file = saved(path("a.png"), RGB)
    data = file.read_bytes()
    chunk = b"iCCPx\0\0" + zlib.compress(b"no profile")
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    file.write_bytes(data[:33] + chunk + data[33:])  # behind the header
    np.testing.assert_array_equal(read_image(file), RGB)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_planar_tiff_is_moved_to_the_end(path, compression):
    planes = np.moveaxis(RGB, 2, 0)
    file = tiff(
        path("a.tif"), planes, photometric="rgb", planarconfig="separate", compression=compression
    )
    np.testing.assert_array_equal(read_image(file), RGB)


def test_tiled_tiff_with_small_levels_is_read_at_full_size(path):
    big = RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    with tifffile.TiffWriter(path("a.tif")) as writer:
        writer.write(big, tile=(32, 32), photometric="rgb")
        writer.write(big[::2, ::2], subfiletype=1, photometric="rgb")
    np.testing.assert_array_equal(read_image(path("a.tif")), big)


def test_many_full_pages_are_refused(path):
    tiff(path("a.tif"), np.stack([GREY] * 3), photometric="minisblack")
    for read in (read_image, read_mask, image_size):
        with pytest.raises(DataError, match="3 pages of 24x37") as caught:
            read(path("a.tif"))
        assert str(path("a.tif")) in str(caught.value)


def test_float_images_need_the_unit_range(path):
    unit = RNG.random((5, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(read_image(npy(path("a.npy"), unit)), np.rint(unit * 255.0))
    tiff(path("a.tif"), unit, photometric="rgb")
    np.testing.assert_array_equal(read_image(path("a.tif")), np.rint(unit * 255.0))
    for bad in (unit * 255, unit - 0.5, np.where(unit > 0.5, np.nan, unit)):
        with pytest.raises(DataError, match=r"0\.\.1"):
            read_image(npy(path("b.npy"), bad))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32, np.int64])
def test_integers_of_unknown_range_are_no_image(path, dtype):
    with pytest.raises(DataError, match="known range"):
        read_image(npy(path("a.npy"), GREY.astype(dtype)))


# masks


@given(
    ids=arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32, np.int32, np.int64, np.float64]),
        (4, 5),
        elements=st.integers(0, 255),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_ids_survive_npy_and_tiff(tmp_path, ids):
    np.testing.assert_array_equal(read_mask(npy(tmp_path / "a.npy", ids)), ids)
    np.testing.assert_array_equal(read_mask(tiff(tmp_path / "a.tif", ids)), ids)


def test_sixteen_and_thirty_two_bit_ids_are_exact(path):
    deep = IDS.astype(np.uint16)
    np.testing.assert_array_equal(read_mask(saved(path("a.png"), deep)), IDS)
    np.testing.assert_array_equal(read_mask(tiff(path("a.tif"), deep, compression="lzw")), IDS)
    big = IDS.astype(np.uint32) * 30_000
    mask = read_mask(tiff(path("b.tif"), big, compression="zlib"))
    assert mask.dtype == np.int32
    np.testing.assert_array_equal(mask, big)
    assert [mask_bits(path(name)) for name in ("a.png", "a.tif", "b.tif")] == [16, 16, 32]


@pytest.mark.parametrize("bits", [2, 4])
def test_small_grey_depths_keep_their_ids(path, bits):
    ids = (GREY % 2**bits).astype(np.uint8)
    file = path("a.png")
    file.write_bytes(grey_png(ids, bits))
    np.testing.assert_array_equal(read_mask(file), ids)
    np.testing.assert_array_equal(read_image(file)[..., 0], ids * (255 // (2**bits - 1)))


def grey_png(ids, bits: int) -> bytes:
    rows = []
    for row in ids:
        text = "".join(format(value, f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big"))
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    return png((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in (*chunks, (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + data))
        parts += [struct.pack(">I", len(data)), name, data, check]
    return b"".join(parts)


def test_equal_channels_are_one_mask(path):
    three = np.stack([GREY] * 3, axis=-1)
    four = np.dstack([three, np.full_like(GREY, 255)])
    two = np.dstack([GREY, np.full_like(GREY, 255)])
    for index, data in enumerate((three, four, two)):
        np.testing.assert_array_equal(read_mask(saved(path(f"{index}.png"), data)), GREY)
    deep = np.stack([IDS.astype(np.uint16)] * 3, axis=-1)
    path("d.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(read_mask(path("d.png")), IDS)


def refused_masks(path):
    yield "lossy", saved(path("a.jpg"), GREY)
    yield "lossy", tiff(path("j.tif"), GREY, compression="jpeg")
    yield "colours", saved(path("a.png"), RGB)
    yield "alpha", saved(path("b.png"), np.dstack([GREY, GREY]))
    yield "fractions", npy(path("a.npy"), GREY / 2)
    yield "fractions", npy(path("n.npy"), np.full((3, 3), np.nan))
    yield "2147483648", npy(path("b.npy"), np.full((3, 3), 2**31, np.int64))
    yield "-1", npy(path("c.npy"), np.full((3, 3), -1))
    yield "pickled", npy(path("d.npy"), np.array([[None, {}]], dtype=object))
    yield "shape", npy(path("e.npy"), np.zeros((2, 3, 4, 5)))
    yield "white", tiff(path("w.tif"), GREY, photometric="miniswhite")


def test_masks_that_cannot_be_trusted_are_refused(path):
    for reason, file in refused_masks(path):
        with pytest.raises(DataError, match=reason) as caught:
            read_mask(file)
        assert str(file) in str(caught.value)


def test_the_largest_id_is_kept(path):
    file = npy(path("a.npy"), np.full((2, 2), 2**31 - 1, np.int64))
    assert read_mask(file).max() == 2**31 - 1


# damage


def whole_files(folder: Path):
    yield saved(folder / "a.png", RGB)
    yield saved(folder / "a.jpg", RGB, quality=95)
    yield saved(folder / "a.bmp", RGB)
    yield tiff(folder / "a.tif", RGB, photometric="rgb", compression="lzw")
    yield tiff(folder / "b.tif", RGB, photometric="rgb")
    yield npy(folder / "a.npy", RGB)
    deep = folder / "deep.png"
    deep.write_bytes(imagecodecs.png_encode(DEEP))
    yield deep


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.6, 0.97])
def test_cut_files_are_refused_by_name(tmp_path, part):
    for file in whole_files(tmp_path):
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(DataError) as caught:
            read_image(file)
        assert str(file) in str(caught.value)


def outcome(file: Path) -> str:
    try:
        image = read_image(file, max_pixels=10**6)
    except DataError as error:
        return "refused by name" if str(file) in str(error) else str(error)
    fits = image.dtype == np.uint8 and image.shape == (*image_size(file), 3)
    return "read" if fits else f"{image.dtype} {image.shape}"


def test_mutated_files_give_a_data_error_or_an_image_of_the_stated_size(tmp_path):
    rng = np.random.default_rng(3)
    for file in whole_files(tmp_path):
        data = bytearray(file.read_bytes())
        for _ in range(150):
            broken = data.copy()
            for place in rng.integers(0, len(data), 3):
                broken[place] = rng.integers(0, 256)
            file.write_bytes(broken)
            assert outcome(file) in ("read", "refused by name")


def test_a_flipped_byte_in_png_pixels_is_noticed(path):
    file = saved(path("a.png"), RGB)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_image(file)


def test_tiff_with_a_missing_strip_is_not_read_as_zeros(path):
    file = tiff(path("a.tif"), RGB, photometric="rgb", rowsperstrip=8)
    with tifffile.TiffFile(file, mode="r+b") as handle:
        tag = handle.pages[0].tags["StripByteCounts"]
        tag.overwrite([*tag.value[:-1], 0])
    with pytest.raises(DataError, match="missing strips"):
        read_image(file)


def test_other_things_than_image_files_are_refused(tmp_path):
    texts = {"empty.png": b"", "text.png": b"hello", "lfs.tif": b"version https://git-lfs x"}
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    for name in (*texts, "folder.png", "absent.png"):
        for read in (read_image, read_mask, image_size):
            with pytest.raises(DataError, match=name):
                read(tmp_path / name)


def test_bombs_are_refused_from_the_header(path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path("a.png").write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(bytes(9)))))
    huge = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 0, 0, 0, 0)
    path("b.png").write_bytes(png((b"IHDR", huge), (b"IDAT", b"")))
    for name in ("a.png", "b.png"):
        with pytest.raises(DataError, match="too large"):
            read_image(path(name))


def test_the_limit_is_exact(tmp_path):
    for file in whole_files(tmp_path):
        assert read_image(file, max_pixels=24 * 37).shape == (24, 37, 3)
        with pytest.raises(DataError, match="too large"):
            read_image(file, max_pixels=24 * 37 - 1)


def test_nothing_global_is_changed(path):
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    read_image(saved(path("a.png"), RGB))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_animated_png_is_refused(path):
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    frames[0].save(path("a.png"), save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="animated"):
        read_image(path("a.png"))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_tiff_of_bits_that_does_not_say_so_is_read(tmp_path, compression):
    """So tifffile writes them."""
    bits = np.random.default_rng(0).random((13, 21)) > 0.5
    tifffile.imwrite(tmp_path / "a.tif", bits, compression=compression, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert 258 not in file.pages[0].tags
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), bits)


@pytest.mark.parametrize(
    ("tag", "compression"),
    [
        *product(["ImageLength", "BitsPerSample", "RowsPerStrip"], [None, "zlib"]),
        ("Compression", "zlib"),  # without the tag there is none
    ],
)
def test_a_tiff_whose_header_is_damaged_is_refused(tmp_path, tag, compression):
    """tifffile reads these as maps of other ids."""
    ids = np.arange(24 * 37, dtype=np.uint16).reshape(24, 37)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ids, compression=compression, rowsperstrip=8, photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[tag].offset
    data = bytearray(path.read_bytes())
    if tag in ("ImageLength", "RowsPerStrip"):
        data[place + 9] = 4  # 1024 more
    else:
        data[place : place + 2] = b"\xff\xff"  # another tag
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.tif"):
        read_mask(path)


def test_a_bomb_that_does_not_say_its_bits_is_refused_before_it_is_in_memory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((24, 37), bool), compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as file:
        assert 258 not in file.pages[0].tags
        tags = file.pages[0].tags
        places = [tags[name].offset + 8 for name in ("StripOffsets", "StripByteCounts")]
    data, bomb = bytearray(path.read_bytes()), zlib.compress(bytes(2**26))
    for place, value in zip(places, (len(data), len(bomb)), strict=True):
        data[place : place + 4] = struct.pack("<I", value)
    path.write_bytes(data + bomb)
    memory = PeakMemory()
    with pytest.raises(DataError, match=r"a\.tif"):
        read_mask(path)
    assert memory.grown() < 2**25


def test_a_strip_before_the_beginning_of_the_file_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((24, 37), np.uint8), compression="zlib")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["StripOffsets"].offset
    data = bytearray(path.read_bytes())
    data[place + 2 : place + 12] = struct.pack("<HIi", 9, 1, -200)  # a whole number with a sign
    path.write_bytes(data)
    with pytest.raises(DataError, match="missing strips"):
        read_mask(path)


def test_an_array_with_more_values_than_its_shape_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((24, 37), np.uint8))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"(24, 37)", b"(22, 37)"))
    with pytest.raises(DataError, match="more values"):
        read_mask(tmp_path / "a.npy")
