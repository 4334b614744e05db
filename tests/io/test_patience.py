"""A disk that does not answer costs one image, not the night."""

from __future__ import annotations

import io
import multiprocessing
import os
import threading
import time

import pytest
from PIL import Image

from histokit.errors import DataError, PartialFailure
from histokit.io import decode, patience
from histokit.io.files import read_json
from histokit.io.images import image_size, read_image
from histokit.io.patience import answered
from histokit.io.pictures import write_picture
from histokit.run.predict import PredictOptions, predict
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
