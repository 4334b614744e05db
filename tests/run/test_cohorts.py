"""`histokit predict` and `translate` of many images: manifests, resuming, shards, and locks."""

from __future__ import annotations

import csv
import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from histokit.errors import DataError, DeviceError, PartialFailure, RunBusy
from histokit.io.files import DiskError, read_json, write_text
from histokit.io.images import read_image
from histokit.io.locks import is_held
from histokit.run import folder_work
from histokit.run.cohort.shards import Shard
from histokit.run.events import ItemDone, Noted, Predicted, Translated
from histokit.run.infer import Windows
from histokit.run.predict import PredictOptions, predict
from histokit.run.slide.work import SlideOptions
from histokit.run.translate import TranslateOptions, translate
from schemas import require_valid
from slides import nuclei, write_pyramid
from typed import type_

FORMATS = ("labels", "geojson", "table")
VERBS = {
    "predict": lambda inputs, out, **more: predict(
        PredictOptions("otsu-hed", inputs, out, device="cpu", formats=FORMATS, **more)
    ),
    "translate": lambda inputs, out, **more: translate(
        TranslateOptions("identity", inputs, out, device="cpu", **more)
    ),
}
either = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@pytest.fixture
def folder(tmp_path):
    """Three tiles, and a slide."""
    for number, name in enumerate("abc"):
        path = tmp_path / "in" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(nuclei(40, 50, number)).save(path)
    write_pyramid(tmp_path / "in" / "s.tif", nuclei(300, 400), levels=2, mpp=0.25)
    return tmp_path / "in"


def lines(events):
    return [event.text for event in events if isinstance(event, Noted)]


def done(events):
    return [event.key.partition(".")[0] for event in events if isinstance(event, ItemDone)]


def summary(out):
    with (out / "summary.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def tree(out):
    """The outputs, and the summary without times."""
    shown = {p.relative_to(out): p for p in out.rglob("*") if p.is_file()}
    never = {"summary.csv", "provenance.json"}
    files = {
        str(name): path.read_bytes()
        for name, path in shown.items()
        if name.parts[0] != ".state" and name.name not in never
    }
    rows = [
        {k: v for k, v in row.items() if k not in ("seconds", "output")} for row in summary(out)
    ]
    return files, rows


@either
def test_a_manifest_names_sizes_and_masks(folder, tmp_path, verb):
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :20] = 255
    Image.fromarray(mask).save(tmp_path / "left.png")
    text = "path,mpp,mask,name,case\nin/a.png,0.5,,day 1/first,7\nin/s.tif,0.5,left.png,slide,8\n"
    (tmp_path / "list.csv").write_text(text)
    out = tmp_path / "out"
    list(verb([tmp_path / "list.csv"], out))
    first, second = summary(out)
    assert (first["image"], first["name"], first["case"]) == (
        str(folder / "a.png"), "day 1/first", "7",
    )  # fmt: skip
    assert second["case"] == "8"
    if verb is VERBS["translate"]:
        assert (out / "day 1/first.png").exists()
        assert (out / "slide.ome.tif").exists()
        return
    value = json.loads((out / "geojson/slide.geojson").read_text())
    assert value["histokit"]["mpp"] == [0.5, 0.5]
    corners = [min(p[0] for p in f["geometry"]["coordinates"][0]) for f in value["features"]]
    assert 10 < len(corners) == int(second["objects"])
    assert max(corners) < 210
    with (out / "tables/slide.csv").open(newline="") as handle:
        assert len(list(csv.DictReader(handle))) == len(corners)
    assert (out / "labels/day 1/first.tif").exists()


@either
def test_resume_goes_on_where_images_failed_or_are_lost(folder, tmp_path, verb):
    out, whole = tmp_path / "out", tmp_path / "whole"
    list(verb([folder], whole))
    sound = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(sound[:50])
    with pytest.raises(PartialFailure):
        list(verb([folder], out))
    assert [row["attempts"] for row in read_json(out / "failures.json")] == [1]
    with pytest.raises(PartialFailure):
        list(verb([folder], out, resume=True))
    (failure,) = read_json(out / "failures.json")
    assert (failure["image"], failure["attempts"]) == (str(folder / "b.png"), 2)
    (folder / "b.png").write_bytes(sound)
    lost = next(path for path in out.rglob("c.*") if ".state" not in path.parts)
    lost.unlink()
    events = list(verb([folder], out, resume=True))
    assert done(events) == ["b", "c"]
    assert "2 of 4 items are done already and stay as they are" in lines(events)
    (end,) = (event for event in events if isinstance(event, Predicted | Translated))
    assert (end.done, end.failed, end.skipped) == (4, 0, 2)
    assert tree(out) == tree(whole)
    if isinstance(end, Predicted):
        assert end.objects == sum(int(row["objects"]) for row in summary(whole))


def test_other_settings_are_other_work(folder, tmp_path):
    verb, out = VERBS["predict"], tmp_path / "out"
    tiles = [folder / "a.png", folder / "b.png"]
    list(verb(tiles, out))
    assert done(verb(tiles, out, resume=True)) == []
    for more in ({"mpp": 0.5}, {"min_confidence": 0.5}, {"windows": Windows(32, 8)}):
        assert done(verb(tiles, out, resume=True, **more)) == ["a", "b"]
    assert done(verb(tiles, out, resume=True, windows=Windows(32, 8, 4))) == []


@either
def test_shards_make_what_one_process_makes(folder, tmp_path, verb):
    whole, out = tmp_path / "whole", tmp_path / "out"
    list(verb([folder], whole))
    (first, second) = (list(verb([folder], out, shard=Shard(n, 2))) for n in (2, 1))
    assert (done(first), done(second)) == (["b", "s"], ["a", "c"])
    assert "2 of 4 images are left to other shards" in lines(first)
    assert tree(out) == tree(whole)


@either
def test_a_second_process_is_refused(folder, tmp_path, verb):
    held = verb([folder / "a.png", folder / "b.png"], tmp_path / "out")
    next(event for event in held if isinstance(event, ItemDone))
    with pytest.raises(RunBusy, match="output folder") as error:
        list(verb([folder / "a.png"], tmp_path / "out", resume=True))
    assert error.value.exit_code == 8
    assert done(held) == ["b"]
    list(verb([folder / "a.png"], tmp_path / "out", resume=True))


def test_what_slides_do_not_get_is_told_once(folder, tmp_path):
    write_pyramid(folder / "t.tif", nuclei(300, 400), levels=2, mpp=0.25)
    options = PredictOptions("otsu-hed", [folder], tmp_path / "out", device="cpu")
    told = [line for line in lines(predict(options)) if "plain images" in line]
    assert told == ["labels, probabilities: written of plain images, not of slides"]
    for more in ({"formats": ("geojson",)}, {"inputs": [folder / "a.png"]}):
        assert not [line for line in lines(predict(replace(options, **more))) if "plain" in line]


def test_resume_reaches_into_slides(folder, tmp_path, monkeypatch):
    asked = []

    def told(path, work):
        asked.append((work.options.resume, work.options.mask, work.settings["method"]))
        yield Noted("")
        return 0

    monkeypatch.setattr("histokit.run.predict.predict_slide", told)
    for resume in (False, True):
        slides = SlideOptions(mask="none")
        list(VERBS["predict"]([folder / "s.tif"], tmp_path / "out", resume=resume, slides=slides))
    assert asked == [(False, "none", "otsu-hed"), (True, "none", "otsu-hed")]


@either
@pytest.mark.parametrize("how", ["strict", "fatal", "stopped", "closed"])
def test_the_tables_are_true_where_the_work_ends_early(folder, tmp_path, verb, how, monkeypatch):
    out = tmp_path / "out"
    list(verb([folder / "a.png"], out, mpp=0.3))
    write_text(out / "failures.json", "[]")
    module = "predict" if verb is VERBS["predict"] else "translate"
    read = read_image

    def broken(path):
        if path.name != "c.png":
            return read(path)
        if how == "fatal":
            raise DeviceError("out of memory")
        raise KeyboardInterrupt if how == "stopped" else DataError(f"{path} is broken")

    monkeypatch.setattr(f"histokit.run.{module}.read_image", broken)
    monkeypatch.setattr(f"histokit.run.{module}.environment", lambda machine: {"made": "now"})
    walking = verb([folder], out, strict=how == "strict")
    if how == "closed":
        next(event for event in walking if isinstance(event, ItemDone))
        walking.close()
    else:
        expected = {"strict": DataError, "fatal": DeviceError, "stopped": KeyboardInterrupt}[how]
        with pytest.raises(expected):
            list(walking)
    names = {"closed": ["a"]}.get(how, ["a", "b"])
    assert [Path(row["image"]).stem for row in summary(out)] == names
    assert read_json(out / "provenance.json")["made"] == "now"
    if how in ("strict", "fatal"):
        (failure,) = read_json(out / "failures.json")
        assert failure["image"] == str(folder / "c.png")
    else:
        assert not (out / "failures.json").exists()


@either
def test_the_first_failure_is_told_where_the_tables_fail_too(folder, tmp_path, verb, monkeypatch):
    def full(*_):
        raise DiskError("the disk is full")

    monkeypatch.setattr("histokit.run.folder_work.write_tables", full)
    (folder / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png") as caught:
        list(verb([folder], tmp_path / "out", strict=True))
    assert "the disk is full" in "".join(caught.value.__notes__)


@either
def test_who_keeps_another_from_its_tables_is_told(folder, tmp_path, verb, monkeypatch):
    tables, free = tmp_path / "out/.state/locks/tables.lock", []
    keys = folder_work.keys_of_others

    def keys_of_others(cohort, mine):
        free.append(not is_held(tables))
        return keys(cohort, mine)

    monkeypatch.setattr(folder_work, "keys_of_others", keys_of_others)
    monkeypatch.setattr(folder_work, "AT_THE_END", 0.1)
    walking = verb([folder / "a.png"], tmp_path / "out")
    next(event for event in walking if isinstance(event, ItemDone))
    with FileLock(tables), pytest.raises(RunBusy, match="--resume"):
        list(walking)
    list(verb([folder / "a.png"], tmp_path / "out", resume=True))
    assert free == [False, True]
    assert len(summary(tmp_path / "out")) == 1


@either
def test_identical_slides_get_blocks_of_one_size(tmp_path, verb, monkeypatch):
    """Also where a slide has taken more memory than there was at the beginning."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        write_pyramid(tmp_path / "in" / f"{name}.tif", nuclei(900, 1500), levels=2, mpp=0.25)
    peaks = iter([2**29, 2**30, 2**31, 2**32, 2**33, 2**34])
    monkeypatch.setattr("histokit.run.slide.memory.peak_memory", lambda: next(peaks))
    slides = SlideOptions("none", max_memory=1.0, preview=True, margin=32)
    events = list(verb([tmp_path / "in"], tmp_path / "out", slides=slides))
    sizes = {line.partition(": ")[2] for line in lines(events) if " blocks" in line}
    assert len(sizes) == 1
    assert len(done(events)) == 3


@either
def test_slides_that_memory_does_not_hold_fail_and_the_rest_is_done(folder, tmp_path, verb):
    with pytest.raises(PartialFailure, match="1 of 4 images failed"):
        list(verb([folder], tmp_path / "out", slides=SlideOptions("none", max_memory=0.1)))
    (failure,) = read_json(tmp_path / "out" / "failures.json")
    assert failure["image"] == str(folder / "s.tif")
    assert "--max-memory: 0.1 GiB" in failure["reason"]
    assert len(summary(tmp_path / "out")) == 3


def test_a_killed_command_is_gone_on_from(histokit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        path = Path("in") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(nuclei(40, 50, number)).save(path)
    words = ("predict", "otsu-hed", "in", "--device", "cpu", "--formats", "labels,geojson,table")
    code, _ = histokit.stopped(signal.SIGKILL, Path("out/labels/2.tif"), *words, "-o", "out")
    assert code == -signal.SIGKILL
    events = list(VERBS["predict"]([Path("in")], Path("out"), resume=True))
    (end,) = (event for event in events if isinstance(event, Predicted))
    assert (end.done, end.failed) == (6, 0)
    assert end.skipped >= 2
    list(VERBS["predict"]([Path("in")], Path("whole")))
    assert tree(Path("out")) == tree(Path("whole"))


def test_what_is_typed_and_told(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "z.png").write_bytes(b"no image")
    words = ("predict", "otsu-hed", "in/a.png", "in/z.png", "-o", "out", "--device", "cpu")
    failed = type_(*words, "--formats", "labels")
    assert failed.exit_code == 5
    *_, heading, row, error, found = failed.stderr.splitlines()
    assert heading.split() == ["failed", "tried", "because"]
    assert row.split()[:5] == ["z.png", "1", "cannot", "read", "in/z.png"]
    assert error == "error: 1 of 2 images failed; the others are done"
    assert found.endswith("out/failures.json")
    again = type_("--quiet", *words, "--formats", "labels", "--resume", "--json")
    assert again.stderr.startswith("error:")
    told = json.loads(again.stdout)
    require_valid("predict", told)
    assert (told["done"], told["failed"], told["skipped"]) == (1, 1, 1)
    assert type_("translate", "identity", "in/a.png", "-o", "o", "--shard", "2/2").exit_code == 0
    wrong = type_(*words, "--shard", "9/8")
    assert wrong.exit_code == 2
    assert "cannot read --shard 9/8" in wrong.stderr
