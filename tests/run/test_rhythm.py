"""States are saved by the clock too, so that no kill costs more than some minutes."""

from __future__ import annotations

from histokit.io.checkpoints import load_state
from histokit.io.runs import RunFolder
from histokit.run import session as module
from histokit.run.events import Progress, Started
from histokit.run.rhythm import Rhythm
from histokit.run.train import train
from toys import plan


def test_it_is_late_after_so_many_minutes_and_not_before():
    now = [100.0]
    rhythm = Rhythm(0.5, lambda: now[0])
    found = []
    for now[0] in (129.9, 130.0, 400.0):
        found.append(rhythm.late)
    assert found == [False, True, True]
    rhythm.saved()
    assert not rhythm.late


def test_a_slow_training_is_saved_before_its_steps_say_so(pair, tmp_path, monkeypatch):
    """Each step takes 4 minutes of a clock that the test moves; losses are logged every second."""
    now = [0.0]
    monkeypatch.setattr(module, "Rhythm", lambda minutes: Rhythm(minutes, lambda: now[0]))
    how = {"log_every": 2, "val_every": 100, "method_values": {"steps": 12}}
    saved = []
    for event in train(plan("source-only", pair, tmp_path, **how)):
        if isinstance(event, Started):
            run = RunFolder(event.run)
        if isinstance(event, Progress):
            saved.append((event.step, load_state(run.last)["step"]))
            now[0] += 2 * 4 * 60
    assert saved == [(2, 0), (4, 0), (6, 4), (8, 4), (10, 8), (12, 8)]
