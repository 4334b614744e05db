"""Slides that are damaged, made to do harm, or change under way: named, and the rest is done."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tifffile

from faults.mutations import in_time
from histokit.errors import DataError, PartialFailure
from histokit.io.files import read_json
from histokit.io.pictures import write_picture
from histokit.io.slides_open import is_slide, open_slide
from histokit.run.events import Noted
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from slides import nuclei, write_pyramid
from toys import image

BACKENDS = ("tifffile", "openslide")
either = pytest.mark.parametrize("backend", BACKENDS)
EACH = 100
"""Damages of a slide of one compression, read by one library; there are four such pairs."""
HUGE = 184_549_440
"""Columns of a tile of 64 rows, which take 44 GiB."""
MILLION = 1024
"""Columns and rows of tiles that make a million of them."""


def reason(folder: Path, out: Path) -> str:
    """Why the bad one of two files failed in `predict`."""
    with pytest.raises(PartialFailure, match="1 of 2"):
        list(predict(PredictOptions("otsu-hed", [folder], out, device="cpu")))
    (failure,) = read_json(out / "failures.json")
    return str(failure["reason"])


def with_tag(path: Path, name: str, value: Any, page: int = 0) -> Path:
    """The file, one tag of which says something else."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[page].tags[name].overwrite(value)
    return path


@pytest.fixture
def huge(tmp_path):
    """A slide with a tile that fills any memory."""
    write_pyramid(tmp_path / "s.tif", nuclei(256, 256), levels=2, tile=64)
    return with_tag(tmp_path / "s.tif", "TileWidth", HUGE)


def test_a_tile_that_fills_the_memory_costs_one_slide(histokit, huge):
    write_picture(huge.with_name("z.png"), image(40, 40), "png")
    ended = histokit("predict", "otsu-hed", "s.tif", "z.png", "-o", "out", code=5)
    assert "s.tif is too large to be read" in ended.stderr
    assert [path.stem for path in (huge.parent / "out" / "labels").iterdir()] == ["z"]


@either
def test_a_tile_that_fills_the_memory_is_refused(huge, backend):
    for name in (backend, None):
        with pytest.raises(DataError, match=f"s.tif is too large.*(.|\n)*{HUGE}x64"):
            open_slide(huge, name)


def test_a_tile_larger_than_the_file_is_refused(tmp_path):
    """OpenSlide would take the memory for it."""
    path = tmp_path / "s.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number in range(2):
            pixels = nuclei(256, 256)[:: number + 1, :: number + 1]
            file.write(pixels, tile=(64, 64), photometric="rgb", compression="jpeg", metadata=None,
                       subfiletype=number)  # fmt: skip
    with_tag(path, "TileByteCounts", [2**32 - 1] * 16)
    for backend in ("openslide", None):
        with pytest.raises(DataError, match=r"s.tif is too large.*(.|\n)*4294967295 bytes"):
            open_slide(path, backend)


def test_pages_in_a_circle_end(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(200, 200), levels=2)
    data = bytearray((tmp_path / "s.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        first, last = (page.offset for page in file.pages)
    (entries,) = struct.unpack_from("<H", data, last)
    assert struct.unpack_from("<I", data, last + 2 + 12 * entries) == (0,)
    struct.pack_into("<I", data, last + 2 + 12 * entries, first)
    (tmp_path / "s.tif").write_bytes(data)
    with in_time(wait=20):
        assert not is_slide(tmp_path / "s.tif")
        for backend in (*BACKENDS, None):
            with pytest.raises(DataError, match=r"cannot open the slide .*s\.tif"):
                open_slide(tmp_path / "s.tif", backend)


@pytest.mark.parametrize("suffix", [".svs", ".tif", ".mrxs"])
def test_a_pipe_in_place_of_a_slide_is_not_waited_for(tmp_path, suffix):
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / f"a{suffix}")
    write_picture(tmp_path / "in" / "b.png", image(40, 40), "png")
    with in_time(wait=60):
        assert f"a{suffix} is n" in reason(tmp_path / "in", tmp_path / "out")
    with in_time(wait=20), pytest.raises(DataError, match="neither a file nor a folder"):
        open_slide(tmp_path / "in" / f"a{suffix}")


def test_what_a_library_does_not_foresee_costs_one_slide(tmp_path):
    """Channels of different depths and no sizes of tiles, on which tifffile stumbles."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_pyramid(folder / "s.tif", nuclei(200, 200), levels=2)
    with_tag(folder / "s.tif", "BitsPerSample", (8, 8, 9), page=1)
    with tifffile.TiffFile(folder / "s.tif") as file:
        place = file.pages[1].tags["TileByteCounts"].offset
    data = bytearray((folder / "s.tif").read_bytes())
    struct.pack_into("<H", data, place, 65000)
    (folder / "s.tif").write_bytes(data)
    write_picture(folder / "z.png", image(40, 40), "png")
    with pytest.raises(TypeError), tifffile.TiffFile(folder / "s.tif") as file:
        list(file.series)
    assert not is_slide(folder / "s.tif")
    with pytest.raises(DataError, match=r"cannot open the slide .*s\.tif"):
        open_slide(folder / "s.tif", "tifffile")
    assert "s.tif" in reason(folder, tmp_path / "out")


@either
def test_damaged_slides_are_refused_or_harmless(tmp_path, backend):
    """In a process of its own, which a library in C may end."""
    words = f"print(wrong({backend!r}, Path({str(tmp_path)!r}), {EACH}))"
    ended = in_a_process(
        "from pathlib import Path; from faults.slide_damage import wrong; " + words
    )
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr[-2000:]


def in_a_process(words: str) -> subprocess.CompletedProcess[str]:
    """Python that has run some words, with the tests to import from."""
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), *sys.path]))
    return subprocess.run(
        [sys.executable, "-c", words],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def declared(path: Path, side: int, tiles: int) -> None:
    """A TIFF of so many tiles along each side, none of which is there; they are white."""
    count = tiles**2
    tags = [(256, 4, 1, side * tiles), (257, 4, 1, side * tiles), (258, 3, 1, 8), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 1), (277, 3, 1, 1), (284, 3, 1, 1), (322, 4, 1, side), (323, 4, 1, side)]
    end = 8 + 2 + 12 * (len(tags) + 2) + 4
    tags += [(324, 4, count, end), (325, 4, count, end + 4 * count)]
    listed = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + listed + bytes(4)
    path.write_bytes(head)
    os.truncate(path, end + 8 * count)


LIMITED = """
import resource
from pathlib import Path
from faults.mutations import PeakMemory
from histokit.io.slides_open import is_slide, open_slide
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 2**29, resource.RLIM_INFINITY))
path, memory = Path({path!r}), PeakMemory()
assert is_slide(path)
with open_slide(path) as slide:
    assert (slide.region(0, slide.width - 300, slide.height - 300, 300, 300) == 255).all()
print(memory.grown() < 2**28)
"""


def test_a_million_tiles_take_little_memory(tmp_path):
    declared(tmp_path / "s.tif", 256, MILLION)
    ended = in_a_process(LIMITED.format(path=str(tmp_path / "s.tif")))
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr[-2000:]


def test_more_pixels_than_any_slide_has_are_refused(tmp_path):
    declared(tmp_path / "s.tif", 4096, 80)
    with pytest.raises(DataError, match=r"s.tif is too large.*(.|\n)*327680x327680"):
        open_slide(tmp_path / "s.tif")


@either
def test_a_slide_that_shrinks_is_named(tmp_path, backend):
    write_pyramid(tmp_path / "s.tif", nuclei(600, 600), tile=64)
    with open_slide(tmp_path / "s.tif", backend) as slide:
        slide.region(0, 0, 0, 64, 64)
        os.truncate(tmp_path / "s.tif", (tmp_path / "s.tif").stat().st_size // 2)
        with pytest.raises(DataError, match=r"cannot read .*s\.tif"):
            slide.region(0, 0, 0, 600, 600)


def test_a_slide_that_shrinks_under_way_is_named_and_the_rest_is_done(tmp_path):
    for name in ("a.tif", "s.tif", "z.tif"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_pyramid(tmp_path / "in" / name, nuclei(700, 700), levels=2)
    slides = SlideOptions("none", core=128, margin=16)
    events = predict(
        PredictOptions("otsu-hed", [tmp_path / "in"], tmp_path / "out", device="cpu", slides=slides)
    )
    for event in events:
        if isinstance(event, Noted) and "s.tif" in event.text:
            break
    os.truncate(tmp_path / "in" / "s.tif", (tmp_path / "in" / "s.tif").stat().st_size // 3)
    with pytest.raises(PartialFailure, match="1 of 3") as caught:
        list(events)
    assert caught.value.exit_code == 5
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert "tile" in failure["reason"]
    assert str(tmp_path / "in" / "s.tif") in failure["reason"]
    done = {path.name.partition(".")[0] for path in (tmp_path / "out").rglob("*.geojson*")}
    assert done == {"a", "z"}
