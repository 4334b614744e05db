"""A slide that was stopped goes on where it was, and ends as if it never had been."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch
from torch import nn

from histokit.errors import DataError
from histokit.interfaces import Instances
from histokit.run.infer import Windows
from histokit.run.norms import InstanceNorms
from histokit.run.slide import walk
from histokit.run.slide.kept import OBJECTS, kept_for
from histokit.run.slide.translate import translate_slide
from histokit.run.slide.walk import predict_slide
from histokit.run.slide.work import SlideOptions, SlideWork, TranslationWork
from slides import nuclei, write_pyramid
from toys import Toy, ToyTranslator, cpu, darkness

ALL = ("geojson", "geojson.gz", "hovernet-json", "table", "overlay")
BLOCKS = 12
ENOUGH = 10
"""Batches after which some blocks are done, and some are not."""


class Stops:
    """A function of images that breaks when it was called `after` times; it counts windows."""

    def __init__(self, answer, after=10**9):
        self.answer, self.left, self.windows = answer, after, 0

    def __call__(self, images):
        if not self.left:
            raise DataError("stopped")
        self.left -= 1
        self.windows += len(images)
        return self.answer(images)


def predicted(folder, answer, *, out="out", formats=("geojson",), settings=None, **options):
    """The lines, and the files by name, of a slide of twelve blocks."""
    given = {"core": 75, "margin": 20, "mask": "none"} | options
    job = SlideWork(
        Toy(answer), cpu(), {"classes": ("nucleus",)}, folder / out, 0.25, formats,
        Windows(64, 12, 2), options=SlideOptions(**given), settings=settings or {"weights": "a"},
    )  # fmt: skip
    return told(predict_slide(folder / "s.tif", job), folder / out)


def told(walk, out):
    lines = []
    try:
        lines += [event.text for event in walk]
    except DataError as error:
        lines.append(error.what)
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return lines, {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def chunks(folder, name="s"):
    return sorted(kept_for(folder / "out" / name).glob("*.chunk"))


@pytest.fixture
def slide(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(210, 280))
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What is written of the slide without a stop, and how many windows run then."""
    folder = tmp_path_factory.mktemp("straight")
    write_pyramid(folder / "s.tif", nuclei(210, 280))
    straight = Stops(darkness)
    lines, files = predicted(folder, straight, formats=ALL)
    assert len(files) == len(ALL)
    assert not any("earlier" in line for line in lines)
    return files, straight.windows


def outlines(files):
    """The one file among them that most of the tests write."""
    return {"geojson/s.geojson": files["geojson/s.geojson"]}


@pytest.mark.parametrize("after", [3, ENOUGH])
def test_a_stopped_slide_goes_on_and_ends_the_same(slide, whole, after):
    lines, files = predicted(slide, Stops(darkness, after), formats=ALL)
    assert lines[-1] == "stopped"
    done = len(chunks(slide))
    assert 0 <= done < BLOCKS
    assert all(name.startswith(".s.work/") for name in files)
    rest = Stops(darkness)
    lines, files = predicted(slide, rest, formats=ALL, resume=True)
    assert f"s.tif: {done} blocks are there from an earlier command" in lines
    assert files == whole[0]
    assert rest.windows <= whole[1]
    if done > BLOCKS // 2:
        assert rest.windows < 0.8 * whole[1]


def test_all_that_is_there_is_only_written(slide, whole, monkeypatch):
    """As when the command is killed between the last block and the end."""
    with monkeypatch.context() as patch:
        patch.setattr("histokit.io.chunks.Chunks.remove", lambda self: None)
        predicted(slide, darkness)
    assert len(chunks(slide)) == BLOCKS
    rest = Stops(darkness)
    _, files = predicted(slide, rest, resume=True)
    assert files == outlines(whole[0])
    assert rest.windows == 2  # the empty ones that tell how many maps there are


def test_without_being_asked_it_begins_anew(slide, whole):
    predicted(slide, Stops(darkness, ENOUGH))
    assert chunks(slide)
    again = Stops(darkness)
    assert predicted(slide, again)[1] == outlines(whole[0])
    assert again.windows == whole[1]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"settings": {"weights": "b"}}, "of other weights"),
        ({"margin": 22}, "of other margin"),
        ({"core": 80}, "of other core"),
        ({"max_memory": 3.0}, "of other memory"),
        ({"mask": ""}, "tissue"),
    ],
)
def test_blocks_of_something_else_are_not_used(slide, other, told):
    predicted(slide, Stops(darkness, ENOUGH))
    asked = Stops(darkness)
    lines, files = predicted(slide, asked, resume=True, **other)
    (line,) = [line for line in lines if "are not used" in line]
    assert told in line
    assert files == predicted(slide, darkness, out="straight", **other)[1]


def test_another_slide_of_the_same_name_is_another(slide):
    predicted(slide, Stops(darkness, ENOUGH))
    write_pyramid(slide / "s.tif", nuclei(210, 280, seed=1))
    lines, files = predicted(slide, darkness, resume=True)
    assert any("of other slide" in line for line in lines)
    assert files == predicted(slide, darkness, out="straight")[1]


def test_formats_may_be_others(slide, whole):
    predicted(slide, Stops(darkness, ENOUGH))
    assert chunks(slide)
    assert predicted(slide, darkness, formats=ALL, resume=True)[1] == whole[0]


def test_a_damaged_block_is_worked_out_again(slide, whole):
    predicted(slide, Stops(darkness, ENOUGH))
    first, second, *_ = chunks(slide)
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b"")
    lines, files = predicted(slide, darkness, resume=True)
    assert any(line.startswith("s.tif: 2 of the blocks") for line in lines)
    assert files == outlines(whole[0])


def test_a_folder_that_says_nothing_is_not_used(slide, whole):
    predicted(slide, Stops(darkness, ENOUGH))
    (kept_for(slide / "out" / "s") / "about.json").write_text("[]")
    lines, files = predicted(slide, darkness, resume=True)
    assert any("nobody can tell" in line for line in lines)
    assert files == outlines(whole[0])


def test_blocks_stay_as_large_as_they_were(slide, whole, monkeypatch):
    """Memory decides how large they are, and the next command finds another."""
    monkeypatch.setattr(walk, "affordable_core", lambda *_: 75)
    predicted(slide, Stops(darkness, ENOUGH), core=None)
    monkeypatch.setattr(walk, "affordable_core", lambda *_: 105)
    assert predicted(slide, darkness, resume=True, core=None)[1] == outlines(whole[0])


def test_a_full_disk_stops_it_and_it_goes_on_later(slide, whole, monkeypatch):
    room = [9]

    def full(handle):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("histokit.io.files.os.fsync", full)
        lines, _ = predicted(slide, darkness)
    assert "cannot write" in lines[-1]
    assert lines[-1].endswith(".chunk")
    assert not list(slide.rglob("*.part"))
    assert 0 < len(chunks(slide)) < BLOCKS
    assert predicted(slide, darkness, resume=True)[1] == outlines(whole[0])


def test_a_preview_touches_nothing(slide):
    predicted(slide, Stops(darkness, ENOUGH))
    before = chunks(slide)
    predicted(slide, darkness, preview=True)
    assert chunks(slide) == before


def test_objects_come_back_as_they_were():
    ids = np.zeros((40, 30), np.int32)
    ids[3:9, 4:8], ids[20:30, 1:3] = 70_000, 2
    found = Instances(ids, {70_000: 3, 2: 1}, {2: 1 / 3, 70_000: 0.1})
    back = OBJECTS.unpack(OBJECTS.pack(found))
    assert back.ids.dtype == np.int32
    assert np.array_equal(back.ids, ids)
    assert list(back.classes.items()) == list(found.classes.items())
    assert list(back.scores.items()) == list(found.scores.items())
    empty = OBJECTS.unpack(OBJECTS.pack(Instances(np.zeros((2, 2), np.int32))))
    assert (empty.classes, empty.scores, empty.ids.any()) == ({}, {}, False)


def translated(folder, answer, *, out="out", norms=None, compression="jpeg", **options):
    given = {"core": 512, "margin": 16, "mask": "none"} | options
    job = TranslationWork(
        ToyTranslator(answer), cpu(), norms, None, None, Windows(160, 24, 2), compression,
        SlideOptions(**given), {"histokit": {"weights": "toy"}}, {"weights": "a"},
    )  # fmt: skip
    target = folder / out / "t.ome.tif"
    return told(translate_slide(folder / "s.tif", target, job, folder / "shown.png"), folder / out)


class Normed(nn.Module):
    """A convolution and an instance norm, brought into 0..1."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3))

    def forward(self, images):
        return self.body(images).mul(0.2).add(0.5).clamp(0, 1)


@pytest.mark.parametrize("shared", [False, True], ids=["own norms", "shared norms"])
@pytest.mark.parametrize("after", [3, 15])
def test_a_translation_goes_on_and_ends_the_same(tmp_path, shared, after):
    write_pyramid(tmp_path / "s.tif", nuclei(600, 1200))
    network = Normed()
    norms = InstanceNorms({"g": network}) if shared else None
    lines, straight = translated(tmp_path, network, out="straight", norms=norms)
    assert set(straight) == {"t.ome.tif"}
    lines, _ = translated(tmp_path, Stops(network, after), norms=norms)
    assert lines[-1] == "stopped"
    done = len(chunks(tmp_path, "t.ome.tif"))
    assert (done > 0) == (after == 15)
    lines, files = translated(tmp_path, network, norms=norms, resume=True)
    assert f"s.tif: {done} blocks are there from an earlier command" in lines
    assert files == straight


def test_statistics_of_their_own_are_another_translation(tmp_path):
    write_pyramid(tmp_path / "s.tif", nuclei(600, 1200))
    network = Normed()
    translated(tmp_path, Stops(network, 15))
    norms = InstanceNorms({"g": network})
    lines, files = translated(tmp_path, network, norms=norms, resume=True)
    assert any("of other instance norms" in line for line in lines)
    assert files == translated(tmp_path, network, out="straight", norms=norms)[1]


def test_the_file_may_be_packed_otherwise(tmp_path):
    """Blocks wait without loss, so that one kind of packing serves another."""
    write_pyramid(tmp_path / "s.tif", nuclei(600, 1200))
    translated(tmp_path, Stops(Normed(), 15))
    _, files = translated(tmp_path, Normed(), compression="deflate", resume=True)
    assert files == translated(tmp_path, Normed(), out="straight", compression="deflate")[1]
