"""A disk that does not answer costs one image, not the night."""

from __future__ import annotations

import io
import multiprocessing
import os
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimeIsUp

import pytest
from PIL import Image

from histokit.errors import DataError, PartialFailure
from histokit.io import decode, patience, slides_open, slides_tiff
from histokit.io.files import read_json
from histokit.io.images import image_size, read_image
from histokit.io.patience import answered
from histokit.io.pictures import write_picture
from histokit.io.slides_open import BACKENDS, is_slide, open_slide
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from slides import write_pyramid
from toys import image


class Dead(io.BytesIO):
    """A file whose first bytes are there, and of which no more comes until the test ends."""

    end = threading.Event()
    reads = 0

    def read(self, size=-1):
        self.reads += 1
        if self.reads > 1:
            self.end.wait()
        return super().read(size)


@pytest.fixture
def dead(monkeypatch):
    """Files called ``dead`` do not answer."""
    opened = decode._open
    monkeypatch.setattr(Dead, "end", threading.Event())

    def waiting(path, handle, max_pixels):
        handle = Dead(handle.read()) if path.stem == "dead" else handle
        return opened(path, handle, max_pixels)

    monkeypatch.setattr(decode, "_open", waiting)
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    yield
    Dead.end.set()


@pytest.mark.parametrize("read", [read_image, image_size])
@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tif", "palette.png"])
def test_a_reader_that_hangs_is_given_up_and_others_go_on(dead, tmp_path, kind, read):
    mode = "P" if kind == "palette.png" else "RGB"  # with a palette: another decoder
    for name in ("dead", "sound"):
        path = tmp_path / f"{name}.{kind.rpartition('.')[2]}"
        Image.fromarray(image(8, 8)).convert(mode).save(path)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"cannot read .*dead\.") as caught:
        read(path.with_stem("dead"))
    assert time.monotonic() - began < 60
    assert caught.value.expected == "an image within 0.5 seconds"
    assert len(read(path)) in (2, 8)


def test_the_image_is_named_and_the_rest_is_done(dead, tmp_path):
    for name in ("a", "dead", "z"):
        write_picture(tmp_path / "in" / f"{name}.png", image(24, 24), "png")
    with pytest.raises(PartialFailure, match="1 of 3"):
        list(predict(PredictOptions("otsu-hed", [tmp_path / "in"], tmp_path / "out", device="cpu",
                                    formats=("labels",))))  # fmt: skip
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert failure["image"].endswith("dead.png")
    assert "no answer" in failure["reason"]
    assert {path.stem for path in (tmp_path / "out" / "labels").iterdir()} == {"a", "z"}


@pytest.mark.parametrize("kind", [DataError, TimeoutError, KeyboardInterrupt, MemoryError])
def test_what_reading_raises_is_raised(tmp_path, kind):
    def read():
        raise kind("it is broken")

    with pytest.raises(kind, match="it is broken"):
        answered(tmp_path, read)


def test_one_thread_reads_one_file_after_another(tmp_path):
    readers = {answered(tmp_path, threading.current_thread) for _ in range(20)}
    assert len(readers) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_readers_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 20.0)
    assert answered(tmp_path, lambda: 1) == 1
    child = multiprocessing.get_context("fork").Process(target=answered, args=(tmp_path, int))
    child.start()
    child.join(15)
    assert child.exitcode == 0


@pytest.fixture
def dead_slide(tmp_path, monkeypatch):
    """A folder with a slide whose pixels do not come until the test ends, and an image; and what
    was closed of the slide.
    """
    (tmp_path / "in").mkdir()
    write_pyramid(tmp_path / "in" / "dead.tif", image(200, 200), levels=2)
    write_picture(tmp_path / "in" / "z.png", image(24, 24), "png")
    end, read, closed, close = threading.Event(), set(), [], slides_tiff.TiffSlide._close

    def waiting(slide, *_):
        read.add(slide)
        end.wait()

    def closing(slide):
        closed.append(slide.path)
        close(slide)

    monkeypatch.setattr(slides_tiff.TiffSlide, "_stored", waiting)
    monkeypatch.setattr(slides_tiff.TiffSlide, "_close", closing)
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    yield tmp_path / "in", closed
    end.set()
    for slide in read:
        close(slide)


def test_a_slide_that_hangs_is_given_up_and_not_closed(dead_slide):
    """Closing would wait for the read to end, or crash."""
    folder, closed = dead_slide
    with open_slide(folder / "dead.tif", "tifffile") as slide:
        for _ in range(2):
            with pytest.raises(DataError, match=r"cannot read .*dead\.tif(.|\n)*no answer"):
                slide.view(1.0).read(0, 0, 9, 9)
    assert closed == []
    with open_slide(folder / "dead.tif", "tifffile"):
        pass
    assert closed == [folder / "dead.tif"]


def test_the_slide_is_named_and_the_rest_is_done(dead_slide, tmp_path):
    with pytest.raises(PartialFailure, match="1 of 2"):
        list(predict(PredictOptions("otsu-hed", [dead_slide[0]], tmp_path / "out", device="cpu",
                                    slides=SlideOptions("none"))))  # fmt: skip
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert "dead.tif" in failure["reason"]
    assert "no answer" in failure["reason"]


@pytest.mark.parametrize("backend", ["tifffile", "openslide", "zarr"])
def test_a_slide_whose_opening_hangs_is_given_up(tmp_path, monkeypatch, backend):
    """No other library is tried on it."""
    end = threading.Event()
    path = tmp_path / "s.svs"
    if backend == "zarr":
        path.mkdir()
    else:
        path.write_bytes(b"any")
    monkeypatch.setattr(slides_open, "BACKENDS", dict.fromkeys(BACKENDS, lambda _: end.wait()))
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    with pytest.raises(DataError, match=r"cannot read .*s\.svs") as caught:
        open_slide(path)
    assert caught.value.found == "no answer"
    end.set()


def test_what_hangs_when_it_is_looked_at_is_no_slide(tmp_path, monkeypatch):
    end = threading.Event()
    (tmp_path / "s.tif").write_bytes(b"any")
    monkeypatch.setattr(slides_open, "pyramid_levels", lambda _: end.wait())
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    assert not is_slide(tmp_path / "s.tif")
    end.set()


def test_what_comes_at_the_last_moment_counts(monkeypatch, tmp_path):
    class Late(Future):
        def result(self, timeout=None):
            if timeout is not None:
                raise TimeIsUp
            return super().result()

    late = Late()
    late.set_result("here")
    monkeypatch.setattr(patience._Reader, "ask", lambda *_: late)
    assert answered(tmp_path, lambda: "here") == "here"
