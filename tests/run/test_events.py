"""What a training tells, and that the run folder holds the same."""

from __future__ import annotations

import json

import pytest

from histokit.io.runs import RunFolder
from histokit.run.events import Finished, Noted, Progress, Started, Validated
from histokit.run.train import resume
from toys import plan, trained


@pytest.fixture(scope="module")
def run(pair, tmp_path_factory):
    """A run of 3 + 5 steps, and its events."""
    runs = tmp_path_factory.mktemp("events")
    values = {"method_values": {"warmup_steps": 3, "adapt_steps": 5}}
    how = plan("mani", pair, runs, log_every=2, val_every=3, checkpoint_every=5, **values)
    path, events = trained(how)
    return RunFolder(path), events


def _of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_training_tells_its_beginning_steps_scores_and_end(run):
    folder, events = run
    assert isinstance(events[0], Started)
    assert events[0].phases == {"warmup": 3, "adapt": 5}
    assert (events[0].step, events[0].total) == (0, 8)
    assert "CPU" in events[0].device
    steps = [(event.step, event.phase) for event in _of(events, Progress)]
    assert steps == [(2, "warmup"), (4, "adapt"), (6, "adapt"), (8, "adapt")]
    scored = _of(events, Validated)
    assert [event.step for event in scored] == [3, 6, 8]
    assert {event.what for event in scored} == {"source validation dice"}
    assert isinstance(events[-1], Finished)
    assert events[-1].run == folder.path


def test_weights_of_the_warm_up_are_never_kept(run):
    _, events = run
    kept = [event for event in _of(events, Validated) if event.best]
    assert kept[0].step == 6
    best = max(kept, key=lambda event: event.value)
    assert (events[-1].step, events[-1].score) == (best.step, best.value)


def test_speed_waiting_and_time_left_are_sensible(run):
    for event in _of(run[1], Progress):
        assert event.images_per_second > 0
        assert 0 <= event.waited <= 1
        assert (event.eta_seconds == 0) == (event.step == 8)


def test_metrics_csv_holds_what_was_told(run):
    folder, events = run
    told = [
        (event.step, event.phase, name, value)
        for event in _of(events, Progress)
        for name, value in event.losses.items()
    ]
    told += [(e.step, "validation", e.what, e.value) for e in _of(events, Validated)]
    assert sorted(folder.metrics()) == sorted(told)


def test_log_txt_tells_the_whole_story(run):
    folder, events = run
    lines = (folder.path / "log.txt").read_text().splitlines()
    said = [line.partition(" ")[2] for line in lines]
    assert said[0].startswith("from step 0 on CPU")
    assert said[0].endswith("steps: warmup 3, adapt 5")
    assert said[-1].startswith("finished in ")
    assert said[-1].endswith(f"kept the weights of step {events[-1].step}")
    for event in _of(events, Validated):
        kept = " (kept)" if event.best else ""
        assert f"step {event.step}: {event.what} {event.value:.4f}{kept}" in said
    assert all(event.text in said for event in _of(events, Noted))


def test_events_jsonl_is_json_from_start_to_finish(run):
    lines = (run[0].path / "events.jsonl").read_text().splitlines()
    events = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("progress") == 4
    assert all("seg" in event["losses"] for event in events if event["event"] == "progress")
    assert 0 <= events[-1]["waited"] <= 1


def test_the_state_says_finished_and_going_on_does_nothing(run):
    folder, events = run
    state = folder.state()
    assert (state["status"], state["step"], state["total"]) == ("finished", 8, 8)
    assert state["best"]["step"] == events[-1].step
    (event,) = resume(folder.path)
    assert "nothing to do" in event.text
