"""How fast things are, on windows small enough for a test; whatever cannot run is a row."""

from __future__ import annotations

import json

import pytest

from histokit.errors import DataError, UnknownName
from histokit.registry.cards import Entry
from histokit.registry.discovery import Offer
from histokit.run import bench as module
from histokit.run.bench import Benched, BenchOptions, bench
from histokit.run.bench_against import read_earlier
from histokit.run.costs import tasks
from histokit.run.events import Noted

FAST = {"size": 32, "repeats": 1, "warmup": 0, "device": "cpu"}


def benched(*refs, **how):
    """The result, and the lines that were told."""
    events = list(bench(BenchOptions(refs=refs, **FAST | how)))
    (found,) = [event for event in events if isinstance(event, Benched)]
    return found, [event.text for event in events if isinstance(event, Noted)]


def test_training_counts_images_and_inference_pixels():
    found, _ = benched("dann:cpu", batch=2)
    segment, warmup, adapt = found.rows
    assert [row.task for row in found.rows] == ["segment", "train warmup", "train adapt"]
    assert segment.megapixels_per_s == pytest.approx(2 * 32**2 / 1000 / segment.median_ms)
    assert (segment.images_per_s, segment.waited) == (None, None)
    # a step of adaptation takes a batch of each domain
    for row, images in ((warmup, 2), (adapt, 4)):
        assert 0 < row.waited < 1
        assert row.images_per_s == pytest.approx(1000 * images / row.median_ms * (1 - row.waited))
        assert row.megapixels_per_s is None
    assert segment.memory_bytes < warmup.memory_bytes < adapt.memory_bytes


def test_settings_reach_the_methods_and_are_told():
    (row,) = benched("source-only", settings={"network": "unet-small"}, train=False)[0].rows
    (wide,) = benched("source-only", settings={"network": "unet"}, train=False)[0].rows
    assert row.memory_bytes < wide.memory_bytes
    with pytest.raises(DataError, match="nothing could be measured"):
        benched("source-only", settings={"netwrok": "unet"})


def test_what_cannot_run_is_a_row_with_its_reason(monkeypatch):
    def broken(job, *_, **__):
        raise RuntimeError("mat1 and mat2 do not fit")

    found, said = benched("mdcl", "otsu-hed")
    refused, sound = found.rows
    assert (refused.subject, refused.task, sound.reason) == ("mdcl", "", "")
    assert "tile = 32" in refused.reason
    assert any("mdcl  cannot run" in line for line in said)
    monkeypatch.setattr(module, "measured", broken)
    rows = []

    def gather():
        for event in bench(BenchOptions(refs=["otsu-hed"], **FAST)):
            rows.extend(event.rows if isinstance(event, Benched) else [])

    with pytest.raises(DataError, match="nothing could be measured"):
        gather()
    assert rows[0].reason == "RuntimeError: mat1 and mat2 do not fit"
    with pytest.raises(UnknownName, match="nonsense"):
        benched("nonsense")


def test_all_that_is_installed(monkeypatch):
    def offered(name, status="ok"):
        return Entry(Offer("", name, "", "some"), status, "it is too old", None, name)

    def listed(ref, how):
        asked.append(ref)
        return tasks.tasks_of("otsu-hed", how)

    asked = []
    monkeypatch.setattr(module, "list_methods", lambda: [offered("a"), offered("b", "broken")])
    monkeypatch.setattr(module, "list_networks", lambda: [offered("c"), offered("a")])
    monkeypatch.setattr(module, "tasks_of", listed)
    broken, *sound = benched()[0].rows
    assert asked == ["a", "c", "network:a"]
    assert (broken.subject, broken.reason) == ("b", "it is too old")
    assert len(sound) == 3


def test_compiled_rows_stand_beside_the_others(monkeypatch):
    asked = []

    monkeypatch.setattr(tasks, "hasten", lambda networks, **how: asked.append(how))
    rows = benched("unet-small", compiled=True, channels_last=True)[0].rows
    assert [(row.task, row.compiled, row.reason) for row in rows] == [
        ("forward", False, ""),
        ("forward", True, ""),
    ]
    assert asked == [{"channels_last": True, "compiled": asked_for} for asked_for in (False, True)]


def test_a_file_is_compared_with(tmp_path):
    first = tmp_path / "new" / "first.json"
    found, _ = benched("unet-small", "otsu-hed", out=first)
    kept = json.loads(first.read_text())
    assert kept["rows"] == [row for row in found.as_dict()["rows"]]
    assert kept["libraries"]["torch"]
    slower = {**kept, "python": "3.0", "rows": [dict(row) for row in kept["rows"]]}
    slower["rows"][0]["megapixels_per_s"] /= 2
    slower["rows"][0]["memory_bytes"] *= 4
    second = tmp_path / "second.json"
    second.write_text(json.dumps(slower))
    against = read_earlier(second).against(kept, kept["rows"])
    ratio = against.of("unet-small", "forward", False)
    assert (ratio.speed, ratio.memory) == (2, 0.25)
    assert any("python was 3.0" in line for line in against.warnings)
    third, said = benched("unet-small", against=second, batch=2)
    assert third.against.of("unet-small", "forward", False).speed > 0
    assert third.as_dict()["against"]["file"] == str(second)
    assert any("batch was 1, is 2" in line for line in said)
    assert not any("otsu-hed" in line for line in said)
    assert third.against.of("otsu-hed", "segment", False) is None


def test_rows_of_one_time_alone_are_told(tmp_path):
    def row(task, compiled=False, reason=""):
        rates = {"images_per_s": None, "megapixels_per_s": 1.0, "memory_bytes": 0}
        return {"subject": "a", "task": task, "compiled": compiled, "reason": reason, **rates}

    path = tmp_path / "then.json"
    path.write_text(json.dumps({"rows": [row("segment"), row("lost"), row("forward")]}))
    now = [row("segment"), row("lost", reason="out of memory"), row("forward", compiled=True)]
    against = read_earlier(path).against({}, now)
    assert [(ratio.task, ratio.memory) for ratio in against.ratios] == [("segment", None)]
    assert against.warnings == [
        f"measured in {path} alone: a lost, a forward",
        f"not measured in {path}: a forward compiled",
    ]


@pytest.mark.parametrize("text", ["{}", "[]", '{"rows": 3}', '{"rows": [{}]}', "nothing"])
def test_another_file_is_refused_before_anything_is_measured(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"other\.json"):
        next(bench(BenchOptions(refs=["unet-small"], against=path, **FAST)))
